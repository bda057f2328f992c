"""Boxes over images: what is drawn is what the answers say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from labelfree.reporting import Boxed, Drawn, save_boxes, share_copy, write_report
from labelfree.reporting.box_pictures import UNKNOWN, outlined
from labelfree.reporting.segment_pictures import colours_of
from tests.reporting.made import make_run
from tests.reporting.test_page import Page

RED = "#ff0000"


def test_an_outline_runs_along_the_edges_of_its_box() -> None:
    image = np.full((50, 80, 3), 100, np.uint8)
    drawn = outlined(image, (100, 160), Drawn(np.array([[20, 40, 120, 80]]), [0], [False]), [RED])  # shown half as large
    red = (drawn == (255, 0, 0)).all(-1)
    rows, columns = np.nonzero(red)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (20, 39, 10, 59)
    assert red[20, 10:60].all() and red[20:40, 59].all() and not red[25:35, 15:55].any()
    assert (image == 100).all()


def test_what_matches_nothing_is_dashed_and_what_nobody_knows_is_gray() -> None:
    image = np.full((60, 60, 3), 100, np.uint8)
    whole, dashed, unknown = (
        outlined(image, (60, 60), Drawn(np.array([[5, 5, 55, 55]]), [label], [dash]), [RED])
        for label, dash in ((0, False), (0, True), (None, False))
    )
    count = [(each == (255, 0, 0)).all(-1).sum() for each in (whole, dashed)]
    assert 0.3 * count[0] < count[1] < 0.9 * count[0]
    gray = tuple(int(UNKNOWN[at : at + 2], 16) for at in (1, 3, 5))
    assert (unknown == gray).all(-1).any() and not (unknown == (255, 0, 0)).all(-1).any()


def boxed(folder: Path) -> Path:
    image = np.full((30, 60, 3), 80, np.uint8)
    truth = Drawn(np.array([[5, 5, 20, 25], [30, 2, 50, 28]]), [0, None], [False, True])
    found = {arm: Drawn(np.array([[6, 5, 21, 24]]), [0], [arm == "imagenet"]) for arm in ("imagenet+domain", "imagenet")}
    shown = [Boxed(image, (30, 60), truth, found, "best", 0.93), Boxed(image, (30, 60), Drawn(np.zeros((0, 4)), [], []), found, "empty")]
    return save_boxes(folder, shown, ["ship"], "imagenet+domain", "map")


def test_boxes_are_kept_with_their_kind_score_and_arms(tmp_path: Path) -> None:
    kept = json.loads(boxed(tmp_path).read_text())
    assert [(each["kind"], each["score"], each["ignored"]) for each in kept["images"]] == [("best", 0.93, True), ("empty", None, False)]
    assert [panel["title"] for panel in kept["images"][0]["panels"]] == ["truth", "imagenet+domain", "imagenet"]
    assert kept["classes"] == [{"name": "ship", "colour": colours_of(["ship"])[0]}]
    with Image.open(tmp_path / "pictures" / kept["images"][0]["panels"][1]["file"]) as picture:
        assert picture.size == (640, 320)


def test_the_page_shows_both_arms_beside_the_truth(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", pictures=True)
    boxed(folder)
    read = Page(write_report(folder).read_text(encoding="utf-8"))
    assert "93.0 %" in read.sections["boxes"] and "nobody knows, not scored" in read.sections["boxes"]
    alts = [str(attrs["alt"]) for tag, attrs in read.tags if tag == "img"]
    assert sum(alt.startswith("Best") for alt in alts) == 3  # truth, two arms


def test_pictures_stay_where_images_may_not_leave(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", pictures=True)
    boxed(folder)
    assert "Source pictures are left out" in Page(write_report(folder, share=True).read_text(encoding="utf-8")).sections["boxes"]
    share_copy(folder, tmp_path / "copy")
    assert not list((tmp_path / "copy").rglob("*.png"))


def test_no_section_of_boxes_stands_in_a_run_that_has_none(run_folder: Path, page: str) -> None:
    assert "boxes" not in Page(page).sections
