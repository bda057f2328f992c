"""What the backbone and what unlabelled images gave, from scores that are known."""

from __future__ import annotations

from pathlib import Path

from labelfree.reporting import write_report
from labelfree.reporting.gains import gains
from labelfree.transfer.tasks import find_task
from labelfree.transfer.words import BudgetWords, MetricWords, ProtocolWords, TaskWords
from tests.reporting.made import BUDGETS, claims, make_run
from tests.reporting.test_page import text_of

WORDS = find_task("classification").words
PRIMARY = {"arm": "imagenet+domain", "against": "imagenet", "protocol": "linear", "budget": "5"}
GAIN = dict(zip(BUDGETS, (0.2, 0.08, 0.05, 0.0, -0.004), strict=True))


def rows(without: tuple[str, str, str] | None = None) -> list[dict]:
    """The made-up scores, and those of `propagate`, better by GAIN."""
    table = claims()["table"]
    more = [row | {"protocol": "propagate", "mean": row["mean"] + GAIN[row["budget"]]} for row in table if row["protocol"] == "linear"]
    return [row for row in table + more if (row["arm"], row["protocol"], row["budget"]) != without]


def test_each_step_is_told_apart() -> None:
    (told,) = gains(rows(), ["imagenet", "imagenet+domain"], PRIMARY, WORDS)
    unlabelled, backbone = told["tables"]
    assert unlabelled["lines"] == [(arm, ["+20.0", "+8.0", "+5.0", "0.0", "−0.4"]) for arm in ("imagenet", "imagenet+domain")]
    assert backbone["lines"] == [(name, ["+15.0", "+11.2", "+7.0", "+2.3", "+1.3"]) for name in ("linear", "propagate")]
    assert told["sentence"] == (
        "At 5 labels a class: imagenet with linear 67.3 %, imagenet+domain with propagate 86.5 %; "
        "+11.2 points from the backbone, then +8.0 points from the unlabelled images."
    )


def test_a_cell_that_was_not_run_is_left_open_and_nothing_is_said_of_it() -> None:
    (told,) = gains(rows(("imagenet+domain", "propagate", "5")), ["imagenet+domain"], PRIMARY, WORDS)
    assert told["sentence"] == ""
    assert told["tables"][0]["lines"] == [("imagenet+domain", ["+20.0", None, "+5.0", "0.0", "−0.4"])]


def test_only_a_protocol_that_was_run_beside_its_plain_one_is_told_of() -> None:
    assert gains(claims()["table"], ["imagenet"], PRIMARY, WORDS) == []
    alone = [row for row in rows() if row["protocol"] != "linear"]
    assert gains(alone, ["imagenet"], PRIMARY, WORDS) == []


def test_of_a_metric_that_should_be_low_less_is_a_gain() -> None:
    metrics = {"mae": MetricWords("mean absolute error", unit="m", higher_is_better=False)}
    words = TaskWords(
        "height", BudgetWords("image", "images"), metrics, {"far": ProtocolWords("far", plain="near"), "near": ProtocolWords("near")}
    )
    means = {"near": 3.0, "far": 2.5}
    table = [{"arm": "random", "protocol": name, "budget": "5", "x": 5, "metric": "mae", "mean": mean} for name, mean in means.items()]
    (told,) = gains(table, ["random"], {}, words)
    assert [(line, told["unit"]) for part in told["tables"] for line in part["lines"]] == [(("random", ["+0.500"]), "m")]


def test_the_page_shows_it(tmp_path: Path) -> None:
    scores = text_of(make_run(tmp_path / "run", scores=claims(table=rows())), "scores")
    assert "What unlabelled images gave: propagate over linear" in scores
    assert "Exploratory: not named before the run." in scores
    assert "What each step gave" not in write_report(make_run(tmp_path / "other")).read_text(encoding="utf-8")
