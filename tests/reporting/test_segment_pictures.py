"""Masks over images, and what was taken for what: what is drawn and printed is what the files say, and nothing leaves that may not."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from sklearn.metrics import confusion_matrix, precision_score, recall_score

from labelfree.domain import IGNORE
from labelfree.reporting import Segmented, TokenGrid, save_segments, save_tokens, share_copy, write_report
from labelfree.reporting.sections.confusion import MOST, commonest, matrix
from labelfree.reporting.segment_pictures import colours_of, overlay, plane
from tests.reporting.made import make_run, segmented
from tests.reporting.test_page import Page


def test_background_stays_and_classes_are_told_apart() -> None:
    names = ["background", *(f"class {n}" for n in range(20))]
    colours = colours_of(names)
    assert colours[0] is None and len(set(colours)) == len(names)
    assert colours_of(["water", "land"])[0] is not None  # a map in which everything is a class


def test_an_overlay_tints_classes_hatches_what_nobody_knows_and_leaves_the_rest() -> None:
    image = np.full((60, 60, 3), 100, np.uint8)
    mask = np.zeros((6, 6), np.int16)  # of another size: each number is ten pixels wide
    mask[:, 2:4], mask[:, 4:] = 1, IGNORE
    drawn = overlay(image, mask, [None, "#ff0000"])
    assert (image == 100).all()
    assert (drawn[:, :20] == 100).all()
    assert (drawn[:, 22:38] == [178, 50, 50]).all()  # half of each
    assert (drawn[:, [20, 21, 38, 39]] == [255, 0, 0]).all()  # its outline
    unknown = drawn[:, 41:]
    assert (unknown[..., 0] == unknown[..., 1]).all() and set(np.unique(unknown)) == {111, 235}


def test_an_overlay_of_a_volume_is_its_middle_slice() -> None:
    volume = np.stack([np.full((4, 5), depth) for depth in range(7)])
    assert (plane(volume) == 3).all() and plane(volume).shape == (4, 5)
    assert plane(np.zeros((6, 4, 5, 3)), 1).shape == (4, 5, 3)


def test_segments_are_kept_with_their_kind_score_and_arms(tmp_path: Path) -> None:
    image, truth = np.full((10, 20, 3), 50, np.uint8), np.zeros((10, 20), np.int16)
    shown = [
        Segmented(image, truth, {"a": truth, "b": truth + 1}, "best", 0.5),
        Segmented(image, truth - 1, {"a": truth, "b": truth}, "empty"),
    ]
    kept = json.loads(save_segments(tmp_path, shown, ["background", "tree"], "a", "mean_iou", side=40).read_text())
    assert [(each["kind"], each["score"], each["hatched"]) for each in kept["images"]] == [("best", 0.5, False), ("empty", None, True)]
    assert [panel["title"] for panel in kept["images"][0]["panels"]] == ["image", "truth", "a", "b"]
    with Image.open(tmp_path / "pictures" / kept["images"][0]["panels"][3]["file"]) as picture:
        assert picture.size == (40, 20)
        assert (np.asarray(picture)[5, 5] != 50).any()
    assert kept["classes"] == [{"name": "background", "colour": None}, {"name": "tree", "colour": colours_of(["tree"])[0]}]


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_run(tmp_path_factory.mktemp("maps") / "run", pictures=True)
    segmented(folder)
    return folder


def test_the_page_shows_both_arms_beside_the_truth(maps: Path) -> None:
    read = Page(write_report(maps).read_text(encoding="utf-8"))
    assert "Best: mean iou 93.0 %" in read.sections["segments"] and "Worst: mean iou 22.0 %" in read.sections["segments"]
    assert "nobody knows, not scored" in read.sections["segments"] and "background" not in read.sections["segments"]
    alts = [str(attrs["alt"]) for tag, attrs in read.tags if tag == "img"]
    assert sum(alt.startswith("Worst") for alt in alts) == 4  # image, truth, two arms
    assert all(str(attrs["src"]).startswith("data:image/") for tag, attrs in read.tags if tag == "img")


@pytest.mark.parametrize("way", ["images: false", "shared", "copied"])
def test_where_pictures_may_not_be_shown_there_is_none(maps: Path, tmp_path: Path, way: str) -> None:
    folder = make_run(tmp_path / "run", pictures=True)
    segmented(folder)
    confusion = json.loads((folder / "confusion.json").read_text())
    (folder / "confusion.json").write_text(json.dumps(confusion | {"counted": "pixels"}))
    if way == "copied":
        page = share_copy(folder, tmp_path / "out")
        left = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*")}
        assert "confusion.json" in left and not any("pictures" in name for name in left)
    else:
        if way == "images: false":
            recipe = yaml.safe_load((folder / "recipe.yaml").read_text())
            recipe["report"]["images"] = False
            (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
        page = write_report(folder, share=way == "shared" or None)
    html = page.read_text(encoding="utf-8")
    read = Page(html)
    assert [attrs for tag, attrs in read.tags if tag == "img"] == [] and "data:image/" not in html.split("<script")[0]
    for section in ("segments", "tokens"):
        assert "Source pictures are left out" in read.sections[section]
    assert "78.6" in read.sections["confusion"]  # numbers are no picture


def test_no_section_of_maps_stands_in_a_run_that_has_none(run_folder: Path, page: str) -> None:
    assert "segments" not in Page(page).sections
    assert "segments" not in Page(write_report(run_folder, share=True).read_text(encoding="utf-8")).sections
    write_report(run_folder)


def test_tokens_of_each_arm_are_on_the_page(page: str, tmp_path: Path) -> None:
    alts = [str(attrs["alt"]) for tag, attrs in Page(page).tags if tag == "img"]
    assert sum("seen at 128 px of imagenet" in alt for alt in alts) == 2
    grid = TokenGrid("", ["image"], [[np.zeros((8, 8, 3), np.uint8)]])
    index = json.loads(save_tokens(tmp_path, {"a/b": [grid, grid]}).read_text())
    assert [each["file"] for each in index["a/b"]] == ["tokens/a_b-0.png", "tokens/a_b-1.png"]
    assert all((tmp_path / "pictures" / each["file"]).is_file() for each in index["a/b"])


def test_accuracies_of_a_matrix_are_scikit_learns() -> None:
    random = np.random.default_rng(0)
    truth = random.integers(0, 4, 500)
    called = np.where(random.random(500) < 0.6, truth, random.integers(0, 4, 500))
    told = matrix(confusion_matrix(truth, called).tolist(), list("abcd"))
    assert [line["producers"] for line in told["lines"]] == [f"{100 * share:.1f}" for share in recall_score(truth, called, average=None)]
    assert told["users"] == [f"{100 * share:.1f}" for share in precision_score(truth, called, average=None)]
    assert not told["shares"]
    assert told["overall"] == f"{100 * (truth == called).mean():.1f}" and told["total"] == "500"
    for line in told["lines"]:
        assert sum(cell["heat"] for cell in line["cells"]) == pytest.approx(1, abs=2e-3)
        assert sum(int(cell["count"].replace(",", "")) for cell in line["cells"]) == int(line["size"])
        assert [cell["kind"] for cell in line["cells"]].count("right") == 1


def test_a_class_that_is_never_there_nor_called_has_no_accuracy() -> None:
    told = matrix([[5, 0], [0, 0]], ["a", "b"])
    assert told["lines"][1]["producers"] == told["users"][1] == "–"
    assert [cell["text"] for cell in told["lines"][1]["cells"]] == ["", ""]


def test_what_is_said_of_each_class_besides_stands_below(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    found = json.loads((folder / "confusion.json").read_text())
    arm, count = next(iter(found["arms"])), len(found["classes"])
    found["shares"] = {arm: {"IoU": [0.123, None, *[0.5] * (count - 2)]}}
    found["means"] = {arm: {"hd95": [None, 0.456, *[0.5] * (count - 2)]}}
    (folder / "confusion.json").write_text(json.dumps(found))
    section = Page(write_report(folder).read_text(encoding="utf-8")).sections["confusion"]
    assert "IoU" in section and "12.3" in section and "hd95, %" in section and "45.6" in section
    assert matrix([[5, 0], [0, 0]], ["a", "b"], {"IoU": [1.0, None]})["shares"] == {"IoU": ["100.0", "–"]}


def test_of_many_classes_the_commonest_confusions_are_listed(tmp_path: Path) -> None:
    classes = [f"kind {n}" for n in range(MOST + 15)]
    table = np.eye(len(classes), dtype=int) * 10
    table[3, 7], table[2, 9] = 30, 10
    told = commonest(table.tolist(), classes)
    assert [(pair["truth"], pair["called"], pair["share"], pair["count"]) for pair in told["pairs"]] == [
        ("kind 3", "kind 7", "75.0", "30"),
        ("kind 2", "kind 9", "50.0", "10"),
    ]
    folder = make_run(tmp_path / "run")
    found = json.loads((folder / "confusion.json").read_text()) | {"classes": classes, "arms": {"imagenet": table.tolist()}}
    (folder / "confusion.json").write_text(json.dumps(found))
    section = Page(write_report(folder).read_text(encoding="utf-8")).sections["confusion"]
    assert "kind 3 kind 7 75.0 30" in section and "kind 20" not in section


def test_the_page_prints_every_count_of_the_matrix(page: str, run_folder: Path) -> None:
    found = json.loads((run_folder / "confusion.json").read_text())
    counts = [int(n) for n in re.findall(r'style="--heat: [\d.]+" title="([\d,]+)"', page)]
    assert counts == [n for table in found["arms"].values() for row in table for n in row]
    assert "counts once for every draw of labels and pretraining seed: 2 times" in Page(page).sections["confusion"]
