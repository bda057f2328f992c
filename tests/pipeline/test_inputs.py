"""Where nothing is left to pretrain on, every cause is told, and a way out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from labelfree_satellite import Satellite

from labelfree.data.manifest import load_manifest
from labelfree.data.splits import Roles
from labelfree.domain import Row
from labelfree.errors import DataError
from labelfree.pipeline.context import Context
from labelfree.pipeline.folder import RunFolder
from labelfree.pipeline.inputs import _formats, gather, require_pool
from labelfree.progress import Silent
from labelfree.recipe import Data, Recipe
from tests.satellite.files import numbers, write_tif


def test_images_are_generated_where_their_generator_says_so_in_their_folder(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for number in range(3):
        write_tif(tmp_path / "data" / f"{number}.tif", numbers(3) + np.uint16(number))
    recipe = Recipe(domain="satellite", name="x", data=Data(root=tmp_path / "data"))
    kept = {}
    for name in ("before", "after"):
        (tmp_path / name).mkdir()
        kept[name] = gather(Context(recipe, RunFolder(tmp_path / name, recipe), Silent())).generated
        (tmp_path / "data" / "GENERATED.txt").write_text("made up", encoding="utf-8")
    assert kept == {"before": False, "after": True}
    assert not (tmp_path / "before" / "card.json").exists()
    assert json.loads((tmp_path / "after" / "card.json").read_text(encoding="utf-8")) == {"generated": True}


def test_ground_that_is_scored_leaves_nothing(tmp_path: Path) -> None:
    """Every image without a label shows the ground of a dev image: the split is as its owner gave it."""
    (tmp_path / "data").mkdir()
    lines = ["path,label,split"]
    for name, label, split in (("a", "x", "train"), ("b", "y", "train"), ("c", "x", "dev"), ("d", "y", "dev"), ("e", "", "pretrain")):
        write_tif(tmp_path / "data" / f"{name}.tif", numbers(3) + np.uint16(ord(name)))
        lines.append(f"{name}.tif,{label},{split}")
    (tmp_path / "data" / "splits.csv").write_text("\n".join(lines))
    recipe = Recipe(domain="satellite", name="x", data=Data(root=tmp_path / "data"))
    recipe = recipe.model_copy(update={"evaluate": recipe.evaluate.model_copy(update={"on": "dev"})})
    (tmp_path / "run").mkdir()
    inputs = gather(Context(recipe, RunFolder(tmp_path / "run", recipe), Silent()))
    assert {row.id for row in inputs.roles.pool} == {"a.tif", "b.tif"}, "train rows stay, images without a label over scored ground go"


@pytest.mark.parametrize(
    ("notes", "copies", "said"),
    [
        (["3 images show ground that is scored and are not pretrained on."], set(), "3 images show ground that is scored"),
        ([], {"a", "b"}, "2 are copies of images that are scored"),
        ([], set(), "are labelled, scored or left out"),
    ],
)
def test_every_cause_is_told(tmp_path: Path, notes: list[str], copies: set[str], said: str) -> None:
    write_tif(tmp_path / "a.tif", numbers(3))
    manifest = load_manifest(Data(root=tmp_path), Satellite())
    with pytest.raises(DataError, match=rf"no image is left to pretrain on\. .*{said}.*data\.holdout=0\.2"):
        require_pool(manifest, Roles([], [], [], "dev", notes), [], copies)


def test_a_name_behind_a_dot_is_no_format() -> None:
    names = [*(f"{number}.DCM" for number in range(30)), "JOHN.DOE", "JANE.DOE", "1.2.840.7", "scan"]
    assert _formats(Roles([Row(name, Path(name)) for name in names], [], None, "cv")) == {".dcm": 30, "other": 4}
