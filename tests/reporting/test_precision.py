"""Precision over recall on the page: a chart for all classes and for each, and a table of what every class scores."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from labelfree.reporting import write_report
from labelfree.reporting.share import share_copy
from tests.reporting.made import make_run
from tests.reporting.test_page import Page

CLASSES = ["ship", "<crane>", "buoy"]


def of_an_arm(height: float) -> dict[str, object]:
    curve = np.round(height * (1 - np.linspace(0, 1, 101) ** 3), 4).tolist()
    level = {"mean": curve, "classes": [curve, curve, None]}
    scores = {"mAP": [height / 2, height / 3, None], "AP50": [height, height, None]}
    return {"curves": {"overlaps of 50 % and more": level, "overlaps of 75 % and more": level}, "scores": scores}


def page_of(folder: Path) -> str:
    make_run(folder)
    arms = {"imagenet+domain": of_an_arm(0.9), "imagenet": of_an_arm(0.6)}
    (folder / "precision_recall.json").write_text(json.dumps({"protocol": "linear", "budget": "5", "classes": CLASSES, "arms": arms}))
    return write_report(folder).read_text(encoding="utf-8")


def test_the_report_draws_curves_and_lists_classes(tmp_path: Path) -> None:
    page = Page(page_of(tmp_path / "run"))
    section = page.sections["precision"]
    for words in ("All classes, overlaps of 50 % and more", "<crane>, overlaps of 50 %", "mAP, imagenet+domain", "45.0", "20.0", "90.0"):
        assert words in section
    drawn = [about["data-chart"] for _, about in page.tags if "data-chart" in about]
    assert [key for key in drawn if key and key.startswith("precision")] == [
        "precision-0", "precision-1", "precision-class-0", "precision-class-1",
    ]  # fmt: skip
    assert section.count("\u2013") >= 4  # of a class without objects nothing is known


def test_a_run_of_another_task_has_no_such_section(tmp_path: Path) -> None:
    make_run(tmp_path)
    assert "precision" not in Page(write_report(tmp_path).read_text(encoding="utf-8")).sections


def test_curves_leave_with_a_shared_copy(tmp_path: Path) -> None:
    page_of(tmp_path / "run")
    share_copy(tmp_path / "run", tmp_path / "shared")
    assert (tmp_path / "shared" / "precision_recall.json").is_file()
