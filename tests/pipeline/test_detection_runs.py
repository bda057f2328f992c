"""Detection as people without a test set run it: a COCO file of boxes, from labels to a head that finds them in new pictures.

Each run takes several seconds: networks are built, detectors trained.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import labelfree
from labelfree.data.boxes import overlaps
from labelfree.deploy.head_file import read_card
from labelfree.errors import DataError
from labelfree.pipeline.stages import Run
from labelfree.progress import Silent
from labelfree.transfer.boxes import training
from tests.small_runs import table

pytestmark = pytest.mark.slow  # a dozen detectors are trained
IMAGES, LABELLED, SIDE = 24, 12, 64
SMALL = [
    "backbone={name: test_resnet, init: random}", "pretrain.steps=2", "pretrain.minutes=null", "pretrain.batch_size=8",
    "pretrain.options={hidden: 32}", "evaluate.draws=1", "evaluate.labels_per_class=[6]", "data.leak_limit=1.0", "data.card=null",
    "evaluate.task=detection", "evaluate.protocols=[frozen]", "evaluate.arms=[statistics, domain]",
    "evaluate.primary={arm: statistics, against: domain, protocol: frozen, budget: 6, metric: map}",
]  # fmt: skip


def ship(at: int) -> tuple[int, int, int, int]:
    """(left, top, width, height) of a bright rectangle."""
    draw = np.random.default_rng(at)
    left, top, width, height = *draw.integers(1, 20, 2), *draw.integers(32, 43, 2)
    return int(left), int(top), int(width), int(height)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every fifth picture has none."""
    root = tmp_path_factory.mktemp("ships")
    (root / "images").mkdir()
    for at in range(IMAGES):
        left, top, width, height = ship(at)
        pixels = np.random.default_rng([1, at]).normal(90, 12, (SIDE, SIDE, 3))
        if at % 5:
            pixels[top : top + height, left : left + width] += 90
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(root / "images" / f"{at:02d}.png")
    return root


@pytest.fixture(scope="module")
def coco(pictures: Path) -> Path:
    images = [{"id": at, "file_name": f"{at:02d}.png", "width": SIDE, "height": SIDE} for at in range(LABELLED)]
    drawn = [
        {"id": at, "image_id": at, "category_id": 3, "bbox": ship(at), "area": ship(at)[2] * ship(at)[3], "iscrowd": 0}
        for at in range(LABELLED)
        if at % 5
    ]
    file = pictures / "ships.json"
    file.write_text(json.dumps({"images": images, "annotations": drawn, "categories": [{"id": 3, "name": "ship"}]}))
    return file


def run_on(labels: Path, pictures: Path, out: Path, *more: str) -> Run:
    asked = [f"data.root={pictures / 'images'}", f"data.labels={labels}", *SMALL, *more]
    return labelfree.run("satellite_simclr", asked, out, say=Silent())


@pytest.fixture(scope="module")
def of_coco(coco: Path, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "STEPS", 80)
        return run_on(coco, pictures, tmp_path_factory.mktemp("runs") / "coco", "report.images=true", "evaluate.max_false_alarms=0.25")


def test_what_is_easy_is_found_from_six_pictures(of_coco: Run) -> None:
    means = {(row["arm"], row["budget"]): row["mean"] for row in of_coco.claims["table"] if row["metric"] == "map"}
    assert means["statistics", "6"] > 0.3
    assert {row["x"] for row in of_coco.claims["table"]} == {6.0}


def test_the_report_shows_boxes_of_both_arms(of_coco: Run) -> None:
    kept = json.loads((of_coco.folder / "pictures" / "boxes.json").read_text())
    assert [panel["title"] for panel in kept["images"][0]["panels"]] == ["truth", "statistics", "domain"]
    assert {each["kind"] for each in kept["images"]} <= {"best", "middle", "worst", "empty"}
    page = (of_coco.folder / "report.html").read_text(encoding="utf-8")
    assert 'id="boxes"' in page and "dashed where it matches none by half" in page and "trained detector on the frozen network" in page


def test_its_head_finds_ships_in_new_pictures(of_coco: Run, pictures: Path, tmp_path: Path) -> None:
    head = labelfree.load_head(of_coco.folder / "heads" / "frozen.safetensors")
    assert head.classes == ("ship",) and read_card(head.path).task == "detection"
    new = [at for at in range(LABELLED, IMAGES) if at % 5]
    found = {at: head.predict(pictures / "images" / f"{at:02d}.png") for at in new}
    hits = []
    for at, boxes in found.items():
        left, top, width, height = ship(at)
        truth = np.array([[left, top, left + width, top + height]])
        hits.append(len(boxes) > 0 and float(overlaps(boxes.corners[:1], truth)[0, 0]) > 0.5)
    assert np.mean(hits) > 0.6
    done = labelfree.predict(of_coco.folder, pictures / "images", tmp_path / "told", say=Silent())
    assert done.images == IMAGES and (tmp_path / "told" / "boxes.json").is_file()


def test_what_a_threshold_does_is_told_of_both_arms_and_decides(of_coco: Run, pictures: Path, tmp_path: Path) -> None:
    """Counted again from what was found and drawn on the scored pictures, each fold at its own threshold."""
    scored = pq.read_table(of_coco.folder / "predictions.parquet").to_pandas()
    thresholds = {
        (row["arm"], int(row["fold"])): float(dict(flag.split("=") for flag in row["flags"].split(";"))["threshold"])
        for row in table(of_coco.folder / "results.csv")
        if row["metric"] == "map"
    }
    page = (of_coco.folder / "report.html").read_text(encoding="utf-8")
    assert "so that there would be at most 0.25 false boxes" in page
    for told in of_coco.claims["operating"]:
        mine, objects, missed, false = scored[scored.arm == told["arm"]], 0, 0, 0
        for row in mine.itertuples():
            sure = np.array(row.score) >= thresholds[told["arm"], row.fold]
            right = np.array(row.matches).reshape(len(sure), 4, 10)[sure, 0, 0]
            objects += len(row.drawn_label)
            missed += len(row.drawn_label) - (right == 1).sum()
            false += (right == 0).sum()
        assert (told["missed"]["count"], told["missed"]["whole"], told["raised"]) == (missed, objects, false)
        assert told["false_alarms"]["whole"] == len(set(mine.group.fillna(mine.row_id))) and told["alarm"] == ""
        assert told["sentence"] in page.replace("&#39;", "'")
    file = of_coco.folder / "heads" / "frozen.safetensors"
    card, head = read_card(file), labelfree.load_head(file)
    assert card.threshold is not None and card.alarm == ""
    assert f"- boxes are told from a score of {card.threshold:g} on" in file.with_suffix(".md").read_text()
    labelfree.predict(head, pictures / "images", tmp_path / "told", say=Silent())
    scores = [float(row["score"]) for row in table(tmp_path / "told" / "boxes.csv")]
    head.card = replace(card, threshold=None)
    labelfree.predict(head, pictures / "images", tmp_path / "all", say=Silent())
    every = [float(row["score"]) for row in table(tmp_path / "all" / "boxes.csv")]
    assert scores and min(scores) >= card.threshold - 1e-4
    assert len(scores) == pytest.approx(sum(score >= card.threshold for score in every), abs=1)  # of scores written with four digits


def test_labels_without_any_object_are_one_sentence(pictures: Path, tmp_path: Path) -> None:
    images = [{"id": at, "file_name": f"{at:02d}.png", "width": SIDE, "height": SIDE} for at in range(LABELLED)]
    file = tmp_path / "none.json"
    file.write_text(json.dumps({"images": images, "annotations": [], "categories": [{"id": 3, "name": "ship"}]}))
    with pytest.raises(DataError, match="object"):
        run_on(file, pictures, tmp_path / "run")
