"""docs/extending.md, "A head for every pixel of your own", word for word: it is found, compared, kept in a file and predicts."""

from __future__ import annotations

import csv
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import labelfree
from labelfree.progress import Silent
from labelfree.transfer.plugins import made
from tests.docs.pages import TOP

LABELLED, SIDE = 8, 32


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The package, as pip would lay it down."""
    text = (TOP / "docs" / "extending.md").read_text(encoding="utf-8")
    section = text.partition("## A head for every pixel of your own")[2].partition("\n## ")[0]
    code, project = (re.findall(rf"^```{language}\n(.*?)^```", section, re.MULTILINE | re.DOTALL)[0] for language in ("python", "toml"))
    (tmp_path / "commonest.py").write_text(code, encoding="utf-8")
    (about := tmp_path / "commonest-1.dist-info").mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: commonest\nVersion: 1\n")
    groups = tomllib.loads(project)["project"]["entry-points"]
    lines = [f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items()) for group, points in groups.items()]
    (about / "entry_points.txt").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)
    made.cache_clear()
    yield
    made.cache_clear()


def test_the_page_s_head_is_compared_kept_and_predicts(installed: None, tmp_path: Path) -> None:
    """A quarter of every picture is marked, so the commonest class is the background, whose IoU is 3/4 and the other's 0."""
    images, masks = tmp_path / "images", tmp_path / "masks"
    images.mkdir()
    masks.mkdir()
    for at in range(2 * LABELLED):
        noise = np.random.default_rng(at).integers(90, 160, (SIDE, SIDE, 3))
        Image.fromarray(noise.astype(np.uint8)).save(images / f"{at:02d}.png")
    marked = np.zeros((SIDE, SIDE), np.uint8)
    marked[:16, :16] = 1
    for at in range(LABELLED):
        Image.fromarray(marked).save(masks / f"{at:02d}.png")
    asked = [
        f"data.root={images}", f"data.labels={masks}", "data.card=null", "data.classes={1: pit}",
        "backbone={name: test_resnet, init: random}", "pretrain.minutes=null",
        "evaluate.draws=2", "evaluate.labels_per_class=[all]", "evaluate.task=beside_nothing",
        "evaluate.protocols=[commonest]", "evaluate.arms=[statistics, random]",
        "evaluate.primary={arm: random, against: statistics, protocol: commonest, budget: all, metric: mean_iou}",
    ]  # fmt: skip
    run = labelfree.evaluate("satellite_simclr", asked, tmp_path / "run", say=Silent())
    with run.results.open(newline="") as stream:
        told = [float(row["value"]) for row in csv.DictReader(stream) if row["metric"] == "mean_iou"]
    assert told == pytest.approx([3 / 8] * len(told)) and told
    said = labelfree.load_head(run.folder).predict(images / f"{LABELLED:02d}.png")
    assert (said.numbers == 0).all() and said.classes == ("background", "pit")
