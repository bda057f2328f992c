"""A folder with copies and groups: whatever goes with an audit image is neither chosen nor asked about, nor pretrained on later."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from PIL import Image

import labelfree
from labelfree.data.manifest import load_manifest
from labelfree.data.splits import assign_roles
from labelfree.installed_domains import find_domain
from labelfree.labelling.answers import NOTHING, Answer
from labelfree.labelling.asking import prepared
from labelfree.progress import Silent
from labelfree.recipe import Data
from labelfree.transfer.tasks import find_task
from tests.data.fake_domain import texture


def with_repeats(root: Path) -> None:
    """96 pictures; of the first 12 there is another, exactly or turned: too few for chance."""
    root.mkdir()
    draw = np.random.default_rng(0)
    for at in range(96):
        picture = texture(draw).astype(np.uint8)
        Image.fromarray(picture).save(root / f"{at:02d}.png")
        if at < 12:
            Image.fromarray(picture if at % 2 else np.rot90(picture).copy()).save(root / f"{at:02d}_again.png")


def lines_of(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_repeats_of_the_audit_are_named_in_its_groups_and_stay_out_of_the_pool(tmp_path: Path, weights: Path) -> None:
    root = tmp_path / "images"
    with_repeats(root)
    found = labelfree.select(root, weights, 6, audit=24, out=tmp_path / "first", domain="satellite", say=Silent())
    lines = lines_of(found.file)
    audit = {line["path"] for line in lines if line["chosen"] == "audit"}
    chosen = {line["path"][:2] for line in lines if line["chosen"] == "typical"}
    beside = {line["path"]: line["group"] for line in lines if not line["chosen"]}
    assert not chosen & {name[:2] for name in audit} and len(chosen) == 6
    pictures = {name[:2] for name in audit}
    assert audit | set(beside) == {
        f"{number}{end}.png" for number in pictures for end in ("", "_again") if (root / f"{number}{end}.png").exists()
    }
    assert len(beside) >= 2
    groups = {line["path"]: line["group"] for line in lines if line["chosen"] == "audit"}
    assert all(group in groups.values() for group in beside.values())
    sitting, _ = prepared(root, "a,b", found.file, root / "labels.csv", "satellite", None, [], Silent())
    assert {each.identity for each in sitting.asked}.isdisjoint(beside)
    for at, each in enumerate(sitting.asked):
        sitting.answer("w", at, Answer("ab"[int(each.identity[:2]) % 2]), NOTHING)
    manifest = load_manifest(Data(root=root, labels=root / "labels.csv"), find_domain("satellite", {}))
    roles = assign_roles(manifest, find_task("classification"), Data(), "test", 0)
    assert {row.id for row in roles.score or ()} == audit
    assert not {row.id[:2] for row in roles.pool} & pictures
    waiting = load_manifest(Data(root=root, labels=found.file), find_domain("satellite", {}))
    alone = assign_roles(waiting, find_task("classification"), Data(), "test", 0, every_label_out=True)
    assert not {row.id[:2] for row in alone.pool} & pictures
