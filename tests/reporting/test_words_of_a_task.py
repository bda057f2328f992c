"""A whole page of another task: metres that should be few, budgets in images, a protocol of its own; no word of classification is left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from labelfree.reporting import write_report
from labelfree.transfer.words import BudgetWords, MetricWords, ProtocolWords, TaskWords
from tests.reporting.made import claims, make_run
from tests.reporting.test_page import Page

HEIGHT = TaskWords(
    "height",
    BudgetWords("labelled image", "labelled images", stratum="decile"),
    {"mae": MetricWords("absolute error", "m", higher_is_better=False)},
    {"linear": ProtocolWords("ridge")},
)
MEASURED = ("result", "curves", "scores")  # sections that print scores


def in_metres() -> dict[str, Any]:
    """The made claims, with errors in metres for scores: of two arms the one with the smaller error is better."""
    made = claims()
    table = [row | {"metric": "mae"} for row in made["table"] if row["protocol"] == "linear"]
    primary = made["primary"] | {"metric": "mae", "mean": -0.25, "low": -0.375, "high": -0.125, "verdict": "better"}
    envelope = [row for row in made["envelope"] if row["protocol"] == "linear"]
    caption = {"caption": "", "undertrained": []}
    return made | {"table": table, "primary": primary, "comparisons": [primary], "envelope": envelope, "resolvable": 0.0625} | caption


@pytest.fixture(scope="module")
def sections(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder: Path = make_run(tmp_path_factory.mktemp("height") / "run", scores=in_metres())
    HEIGHT.save(folder)
    (folder / "classes.json").write_text(json.dumps([]), encoding="utf-8")
    return Page(write_report(folder).read_text(encoding="utf-8")).sections


def test_a_smaller_error_is_better_and_in_metres(sections: dict[str, str]) -> None:
    result = sections["result"]
    assert "With 5 labelled images, imagenet+domain is better than imagenet by 0.250 m of absolute error." in result
    assert "\u22120.375 to \u22120.125" in result
    assert "Smallest difference these labels can resolve: 0.0625 m." in result


@pytest.mark.parametrize("section", MEASURED)
@pytest.mark.parametrize("word", ["a class", "points", "accuracy", "kNN", "knn", "nearest neighbours"])
def test_no_word_of_classification_is_left(sections: dict[str, str], section: str, word: str) -> None:
    assert word not in sections[section]


@pytest.mark.parametrize("section", MEASURED)
def test_only_intervals_are_in_percent(sections: dict[str, str], section: str) -> None:
    assert "%" not in sections[section].replace("95 % interval", "")


def test_a_page_needs_no_package_of_the_task_and_says_what_it_leaves_out(sections: dict[str, str]) -> None:
    assert "Scores without near-duplicates: install the package of the task 'height'." in sections["leaks"]
