"""A page speaks its task's words: a metric in metres of which less is better, budgets in labelled images, no classes."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest

from labelfree.pipeline.console import score_lines
from labelfree.reporting import Shot, save_neighbours, write_report
from labelfree.reporting.words import score
from labelfree.transfer.words import BudgetWords, MetricWords, ProtocolWords, TaskWords
from tests.reporting.made import claims, make_run, patches

PLUGIN = Path(__file__).parents[1] / "plugins" / "toy_regression"
ERROR = MetricWords("mean absolute error", "m", higher_is_better=False)
HEIGHT = TaskWords(
    "height",
    BudgetWords("labelled image", "labelled images", stratum="set"),
    {"mae": ERROR},
    {"ridge": ProtocolWords("ridge", "ridge regression", "ridge regression: least squares with a penalty")},
    categorical=False,
)


def in_metres() -> dict[str, Any]:
    """The made claims as errors in metres: an arm that was accurate is off by little."""
    made = claims()
    table = [
        row | {"protocol": "ridge", "metric": "mae"} | {"mean": 1 - row["mean"], "low": 1 - row["high"], "high": 1 - row["low"]}
        for row in made["table"]
        if row["protocol"] == "linear"
    ]
    primary = made["primary"] | {"protocol": "ridge", "metric": "mae", "mean": -0.112, "low": -0.143, "high": -0.081}
    envelope = [row | {"protocol": "ridge", "mean": 1 - row["mean"]} for row in made["envelope"] if row["protocol"] == "linear"]
    spoken = {"caption": "Ridge: three penalties.", "undertrained": [], "notes": [], "headline": "", "operating": None}
    return made | {"table": table, "primary": primary, "comparisons": [primary], "envelope": envelope} | spoken


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("metres")
    primary = {"arm": "imagenet+domain", "against": "imagenet", "protocol": "ridge", "budget": 5, "metric": "mae"}
    settings = {"on": "dev", "labels_per_class": [1, 5, 10, 50, "all"], "protocols": ["ridge"], "primary": primary}
    with pytest.MonkeyPatch.context() as patch:  # installed while the run was made, and not where its page is
        patch.syspath_prepend(PLUGIN)
        make_run(folder, recipe={"evaluate": settings}, scores=in_metres())
    HEIGHT.save(folder)
    (folder / "classes.json").write_text("[]")
    (folder / "evaluation.json").unlink()
    for name in ("predictions.parquet", "confusion.json", "reliability.json"):  # its answers are classes
        (folder / name).unlink()
    with (folder / "splits.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    with (folder / "splits.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(row | {"label": f"{1.5 + i / 10:.1f}"} for i, row in enumerate(rows))
    images = [image for image, _ in patches(4)]
    save_neighbours(folder, [Shot(images[0], "1.5 m")], {"imagenet": [[Shot(image, "1.6 m", 0.9) for image in images[1:]]]})
    return write_report(folder).read_text(encoding="utf-8")


def readable(page: str) -> str:
    """What a person reads, the recipe and scripts apart: text, alternative texts, titles."""
    page = re.sub(r"<style>.*?</style>|<script.*", "", page, flags=re.DOTALL)
    return re.sub(r"<pre.*?</pre>", "", page, flags=re.DOTALL)


def test_the_metric_s_words_and_unit_are_everywhere(page: str) -> None:
    for words in (
        "With 5 labelled images, imagenet+domain is better than imagenet by 0.112 m of mean absolute error.",
        "imagenet+domain against imagenet, mean absolute error, ridge regression, 5 labelled images",
        "Difference, m",
        "95 % interval \u22120.143 to \u22120.081",
        "Smallest difference these labels can resolve: 0.0440 m.",
        "1 or 5 or 10 or 50 or all labelled images: mean absolute error by ridge regression."
        .replace("1 or 5 or 10 or 50 or", "1, 5, 10, 50 or"),
        "Labels saved at 5 labelled images",
        "about 24, to score as imagenet+domain does with 5.",
        "<strong>Ridge regression</strong>, mean absolute error, m",
        "Mean score in m \u00b1",
        "labelled images (log scale)",
        "How many labelled images imagenet needs",
    ):  # fmt: skip
        assert words in page, words


def test_nothing_of_classification_is_left(page: str) -> None:
    text = readable(page)
    for word in ("a class", "kNN", "knn", "nearest neighbours", "linear probe", "accuracy", "points of", "per cent"):
        assert word not in text, text[max(text.find(word) - 80, 0) :][:200]
    for left in re.findall(r".{12}%", text):
        assert re.search(r"(95|1) %$", left), left  # intervals, and the leak guard's bound


def test_less_is_better_in_what_is_drawn(page: str) -> None:
    assert "of 4 arms imagenet+domain is lowest" in page
    assert "\u2190 imagenet+domain better" in page and "imagenet better \u2192" in page
    figures = json.loads(page.partition('id="figures">')[2].partition("</script>")[0])
    curve = figures["curve-ridge"]
    assert max(value for trace in curve["data"] for value in trace["y"]) < 1, "metres, not per cent"
    low, high = curve["layout"]["yaxis"]["range"]
    assert low < 0.149 and 0.78 < high < 1, "the axis ends where the scores do"


def test_without_classes_values_are_shown_and_none_is_called_wrong(page: str) -> None:
    text = readable(page)
    assert "1.6 m" in text and "Images by use" in text and "\u2717" not in text and "another" not in text.partition("What each")[2]


def test_the_console_speaks_so_too() -> None:
    title, *lines = score_lines(in_metres(), HEIGHT)
    assert title.startswith("ridge, mean absolute error in m at") and title.endswith("labelled images") and "%" not in title
    assert lines[-1].split()[:3] == ["imagenet+domain", "0.390", "0.215"]


@pytest.mark.parametrize(("error", "text"), [(312.4, "312"), (31.24, "31.2"), (0.3124, "0.312"), (0.00312, "0.00312")])
def test_a_score_in_its_own_unit_has_three_figures(error: float, text: str) -> None:
    assert score(error, ERROR) == text


def test_a_page_needs_no_package_of_the_task_and_says_what_it_leaves_out(tmp_path: Path) -> None:
    """Only a task reads answers, so without its package one table is missing and not the page."""
    folder = make_run(tmp_path / "run", scores=in_metres())
    HEIGHT.save(folder)
    assert "Scores without near-duplicates: install the package of the task &#39;height&#39;." in write_report(folder).read_text(
        encoding="utf-8"
    )
