"""Anomalies told from normal pictures: a COCO file in which some pictures hold nothing, from labels to a report and a head that predicts.

Each run takes a few seconds: networks are built, images and outlines read.
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
from labelfree.pipeline.stages import Run
from labelfree.progress import Silent

UNLABELLED, NORMAL, WRONG, SIDE = 10, 16, 6, 32
SMALL = [
    "backbone={name: test_resnet, init: random}", "evaluate.draws=2", "evaluate.labels_per_class=[4, all]", "data.leak_limit=1.0",
    "data.card=null", "evaluate.task=anomaly", "evaluate.protocols=[coreset]", "evaluate.arms=[statistics, random]",
    "evaluate.max_false_alarms=0.2", "evaluate.primary={arm: statistics, against: random, protocol: coreset, budget: 4, metric: auroc}",
]  # fmt: skip


def picture(at: int, wrong: bool) -> tuple[np.ndarray, tuple[int, int, int, int]]:
    """Noise, with a dark square where something is wrong; and where that lies, as (left, top, width, height)."""
    draw = np.random.default_rng(at)
    left, top, width, height = *draw.integers(2, 16, 2), *draw.integers(8, 14, 2)
    image = np.random.default_rng([1, at]).normal(150, 12, (SIDE, SIDE, 3))
    if wrong:
        image[top : top + height, left : left + width] -= 90
    return image.clip(0, 255).astype(np.uint8), (int(left), int(top), int(width), int(height))


def folder_of(root: Path, wrong: int) -> Path:
    """Pictures, the first of them unlabelled, the last `wrong` ones with a square; `labels.json` beside the folder lists the others."""
    (root / "images").mkdir(parents=True)
    first, end = UNLABELLED + NORMAL, UNLABELLED + NORMAL + wrong
    for at in range(end):
        Image.fromarray(picture(at, at >= first)[0]).save(root / "images" / f"{at:02d}.png")
    images = [{"id": at, "file_name": f"{at:02d}.png", "width": SIDE, "height": SIDE} for at in range(UNLABELLED, end)]
    drawn = []
    for at in range(first, end):
        left, top, width, height = picture(at, True)[1]
        outline = [left, top, left + width, top, left + width, top + height, left, top + height]
        thing = {"id": at, "image_id": at, "category_id": 7, "bbox": [left, top, width, height], "area": width * height}
        drawn.append(thing | {"segmentation": [outline], "iscrowd": 0})
    file = root / "labels.json"
    file.write_text(json.dumps({"images": images, "annotations": drawn, "categories": [{"id": 7, "name": "pit"}]}))
    return root


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(tmp_path_factory.mktemp("pits"), WRONG)


def run_on(pictures: Path, out: Path, *more: str) -> Run:
    asked = [f"data.root={pictures / 'images'}", f"data.labels={pictures / 'labels.json'}", *SMALL, *more]
    return labelfree.evaluate("satellite_simclr", asked, out, say=Silent())


@pytest.fixture(scope="module")
def run(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_on(pictures, tmp_path_factory.mktemp("runs") / "pits")


def results(run: Run) -> list[dict[str, str]]:
    with run.results.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_dark_square_is_told_from_four_normal_pictures(run: Run) -> None:
    table = {(row["arm"], row["budget"]): row["mean"] for row in run.claims["table"]}
    assert table["statistics", "4"] > 0.95
    assert {row["metric"] for row in results(run)} == {"auroc", "ap", "aupro", "pixel_ap"}
    pixels = [float(row["value"]) for row in results(run) if (row["arm"], row["metric"], row["budget"]) == ("statistics", "aupro", "4")]
    assert np.mean(pixels) > 0.7


def test_budgets_count_normal_pictures_alone(run: Run) -> None:
    assert {row["n_labels"] for row in results(run) if row["budget"] == "4"} == {"4"}
    with (run.folder / "budgets.csv").open(newline="") as stream:
        assert {row["class"] for row in csv.DictReader(stream)} == {"normal"}
    assert "4 normal images" in (run.folder / "report.html").read_text(encoding="utf-8")


def test_its_thresholds_come_from_normal_pictures_alone(run: Run) -> None:
    points = run.claims["operating"]
    assert [point["arm"] for point in points] == ["statistics", "random"]
    assert points[0]["missed"]["whole"] == WRONG and points[0]["false_alarms"]["whole"] == NORMAL
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert "from normal images alone" in page and "anomalous images missed" in page


def test_of_several_input_sizes_the_first_is_taken_and_the_report_says_why(pictures: Path, tmp_path: Path) -> None:
    two = ["evaluate.sizes=[64, 32]", "evaluate.labels_per_class=[4]", "evaluate.draws=1", "evaluate.minutes=null"]
    run = run_on(pictures, tmp_path / "run", *two)
    said = "coreset: takes input size 64, the first of 64, 32, as normal images alone do not tell at which size what is wrong shows best."
    assert run.claims["table"] and said in (run.folder / "report.html").read_text(encoding="utf-8")
    assert {row["size"] for row in results(run) if row["arm"] == "random" and row["flags"] != "envelope"} == {"64"}


def test_one_input_size_needs_no_word(run: Run) -> None:
    assert "takes input size" not in (run.folder / "report.html").read_text(encoding="utf-8")


def test_its_report_shows_where_scores_come_from(run: Run) -> None:
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert "What is found, at which price" in page and 'data-chart="roc"' in page
    assert "Where scores come from" in page and "Anomalous, scored highest" in page and "Normal, scored highest" in page


def judged(run: Run, image: Path, out: Path) -> dict[str, str]:
    labelfree.predict(run.folder, [image], out, say=Silent())
    with (out / "predictions.csv").open(newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert Image.open(out / row["map"]).size == (SIDE, SIDE)
    return row


def test_its_head_judges_new_pictures(run: Run, pictures: Path, tmp_path: Path) -> None:
    for name, wrong in (("normal", False), ("wrong", True)):
        Image.fromarray(picture(900 + wrong, wrong)[0]).save(tmp_path / f"{name}.png")
    told = {name: judged(run, tmp_path / f"{name}.png", tmp_path / name) for name in ("normal", "wrong")}
    assert {name: row["verdict"] for name, row in told.items()} == {"normal": "normal", "wrong": "anomalous"}
    assert float(told["wrong"]["score"]) >= float(told["wrong"]["threshold"]) > float(told["normal"]["score"])
    heat = labelfree.load_head(run.folder).predict(tmp_path / "wrong.png").heat
    left, top, width, height = picture(901, True)[1]
    at = np.unravel_index(np.nanargmax(heat), heat.shape)
    assert top <= at[0] < top + height and left <= at[1] < left + width


def test_with_normal_pictures_alone_a_head_is_left_and_nothing_is_made_up(tmp_path: Path) -> None:
    good = folder_of(tmp_path / "good", 0)
    run = run_on(good, tmp_path / "run", "evaluate.labels_per_class=[4]", "evaluate.draws=1")
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert "not defined" in run.headline and "not defined" in page and ">nan<" not in page.lower() and "nan %" not in page.lower()
    assert {row["value"] for row in results(run)} == {""}
    assert run.claims["operating"][0]["false_alarms"]["whole"] == NORMAL
    Image.fromarray(picture(901, True)[0]).save(tmp_path / "wrong.png")
    assert judged(run, tmp_path / "wrong.png", tmp_path / "told")["verdict"] == "anomalous"


@pytest.mark.slow
@pytest.mark.skipif(find_spec("onnxruntime") is None, reason="onnxruntime is not installed")
def test_its_head_decides_the_same_in_onnx(run: Run, pictures: Path, tmp_path: Path) -> None:
    made = labelfree.export(run.folder, tmp_path / "onnx", say=Silent())
    assert made.images == NORMAL + WRONG and made.same == made.decisions and made.apart < 1e-4
    from labelfree.deploy.exports.infer_onnx import Model

    model, head = Model(made.onnx), labelfree.load_head(run.folder)
    pixels = picture(901, True)[0].transpose(2, 0, 1)
    score, called, heat = model.judged(pixels)
    assert called and not model.judged(pixels, threshold=score * 1.01)[1] and heat.shape == (SIDE, SIDE)
    assert model.threshold == pytest.approx(head.card.threshold)
