"""Line scans, crops and pictures between them in one set: pretrained on, classified, detected and segmented in tiles of their own pixels.

Each run takes several seconds: networks are built, heads trained.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import labelfree
from labelfree.pipeline.stages import Run
from labelfree.progress import Silent
from labelfree.transfer.boxes import training

pytestmark = pytest.mark.slow  # three runs
SHAPES = [(64, 900), (20, 30), (150, 70), (33, 33)]  # height, width
LABELLED, IMAGES = 16, 24
SMALL = [
    "backbone={name: test_resnet, init: random}", "pretrain.steps=2", "pretrain.minutes=null", "pretrain.batch_size=8", "pretrain.size=64",
    "pretrain.options={hidden: 32}", "evaluate.draws=1", "evaluate.labels_per_class=[4]", "data.leak_limit=1.0", "data.card=null",
    "pool.tile=64", "evaluate.arms=[statistics, domain]",
]  # fmt: skip


def spot(at: int) -> tuple[int, int, int, int]:
    """(left, top, width, height) of a dark spot, which may lie in the last corner."""
    height, width = SHAPES[at % len(SHAPES)]
    draw = np.random.default_rng(at)
    across = 10
    left, top = (width - across, height - across) if at % 3 == 0 else (draw.integers(0, width - across), draw.integers(0, height - across))
    return int(left), int(top), across, across


def marked(at: int) -> bool:
    return at % 8 < 6  # of each size some have none


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("parts")
    (root / "images").mkdir()
    (root / "masks").mkdir()
    images, drawn, labels = [], [], [("path", "label")]
    for at in range(IMAGES):
        height, width = SHAPES[at % len(SHAPES)]
        left, top, across, down = spot(at)
        pixels, mask = np.random.default_rng([1, at]).normal(150, 8, (height, width, 3)), np.zeros((height, width), np.uint8)
        if marked(at):
            pixels[top : top + down, left : left + across] -= 100
            mask[top : top + down, left : left + across] = 1
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(root / "images" / f"{at:02d}.png")
        if at < LABELLED:
            Image.fromarray(mask).save(root / "masks" / f"{at:02d}.png")
            images.append({"id": at, "file_name": f"{at:02d}.png", "width": width, "height": height})
            labels.append((f"{at:02d}.png", "spot" if marked(at) else "clean"))
            if marked(at):
                box = {"id": at, "image_id": at, "category_id": 1, "bbox": [left, top, across, down], "area": across * down, "iscrowd": 0}
                drawn.append(box)
    (root / "spots.json").write_text(json.dumps({"images": images, "annotations": drawn, "categories": [{"id": 1, "name": "spot"}]}))
    with (root / "labels.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(labels)
    return root


def run_on(parts: Path, labels: str, out: Path, *more: str) -> Run:
    return labelfree.run(
        "satellite_simclr", [f"data.root={parts / 'images'}", f"data.labels={parts / labels}", *SMALL, *more], out, say=Silent()
    )


def test_segmentation_scores_every_pixel_once_and_maps_come_back_in_the_images_own_size(parts: Path, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    run = run_on(
        parts, "masks", tmp_path / "run", "data.classes={1: spot}", "evaluate.task=segmentation", "evaluate.protocols=[linear]",
        "evaluate.primary={arm: statistics, against: domain, protocol: linear, budget: 4, metric: mean_iou}",
    )  # fmt: skip
    answers = pq.read_table(run.folder / "predictions.parquet").to_pylist()
    for answer in answers:
        at = int(Path(answer["row_id"]).stem)
        assert sum(answer["confusion"]) == np.prod(SHAPES[at % len(SHAPES)])  # padding is not scored, overlaps are not scored twice
    assert len({answer["row_id"] for answer in answers}) == LABELLED  # whole images, not tiles
    labelfree.predict(run.folder, parts / "images", tmp_path / "told", say=Silent())
    for at in range(IMAGES):
        told = next((tmp_path / "told").rglob(f"{at:02d}*.png"))
        assert np.asarray(Image.open(told)).shape == SHAPES[at % len(SHAPES)]


def test_detection_finds_boxes_inside_of_images_alone(parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "STEPS", 8)
    run = run_on(
        parts, "spots.json", tmp_path / "run", "evaluate.task=detection", "evaluate.protocols=[frozen]",
        "data.holdout=0.25", "evaluate.arms=[statistics, random]",
        "evaluate.primary={arm: statistics, against: random, protocol: frozen, budget: 4, metric: map}",
    )  # fmt: skip
    labelfree.predict(run.folder, [parts / "images" / f"{at:02d}.png" for at in range(8)], tmp_path / "told", say=Silent())
    found = json.loads((tmp_path / "told" / "boxes.json").read_text())
    sizes = {image["id"]: (image["width"], image["height"]) for image in found["images"]}
    assert len(sizes) == 8 and found["annotations"]
    for each in found["annotations"]:
        (left, top, across, down), (width, height) = each["bbox"], sizes[each["image_id"]]
        assert left >= -0.5 and top >= -0.5 and left + across <= width + 0.5 and top + down <= height + 0.5


def test_classification_takes_images_of_every_size(parts: Path, tmp_path: Path) -> None:
    run = run_on(
        parts, "labels.csv", tmp_path / "run", "evaluate.protocols=[linear]", "evaluate.sizes=[64]", "evaluate.labels_per_class=[2]",
        "evaluate.primary={arm: statistics, against: domain, protocol: linear, budget: 2, metric: accuracy}",
    )  # fmt: skip
    assert {row["arm"] for row in run.claims["table"]} == {"statistics", "domain"}
    pool = json.loads((run.folder / "fingerprint.json").read_text())
    assert pool["smallest"] == pool["largest"] == [64, 64]  # tiles of one size, whatever the images


class Ear(Silent):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def say(self, line: str) -> None:
        self.heard.append(line)


def test_an_object_shrunk_below_eight_pixels_is_told_before_training(parts: Path, tmp_path: Path) -> None:
    ear, primary = Ear(), "evaluate.primary={arm: statistics, against: domain, protocol: frozen, budget: 4, metric: map}"
    asked = [f"data.root={parts / 'images'}", f"data.labels={parts / 'spots.json'}", *SMALL, "pretrain.size=32"]
    labelfree.pretrain(
        "satellite_simclr", [*asked, "evaluate.task=detection", "evaluate.protocols=[frozen]", primary], tmp_path / "run", say=ear
    )
    told = next(line for line in ear.heard if line.startswith("pretrain.size"))
    assert "10 px across" in told and "has 5.0 px" in told and "pool.tile" in told
