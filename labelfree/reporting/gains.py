"""What the backbone gave and what learning from unlabelled images gave, each with the other left as it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labelfree.reporting.words import difference, in_unit, score
from labelfree.transfer.words import MetricWords, TaskWords


def gains(rows: Sequence[Mapping[str, Any]], arms: Sequence[str], primary: Mapping[str, Any], words: TaskWords) -> list[dict[str, Any]]:
    """For each protocol that learns from unlabelled images, and was run beside the same head without them: a sentence and two tables.

    `rows`: of claims.json's table. Differences of mean scores, positive where better; None for a cell that was not run.
    """
    scored = list(dict.fromkeys(row["protocol"] for row in rows))
    pairs = [(name, words.protocol(name).plain) for name in scored if words.protocol(name).plain in scored]
    return [_gains(rows, arms, primary, words, name, plain) for name, plain in pairs]


def _gains(
    rows: Sequence[Mapping[str, Any]], arms: Sequence[str], primary: Mapping[str, Any], words: TaskWords, name: str, plain: str
) -> dict[str, Any]:
    budgets = [each for _, each in sorted({(float(row["x"]), str(row["budget"])) for row in rows if row["protocol"] in (name, plain)})]
    means = {(row["arm"], row["protocol"], str(row["budget"])): row["mean"] for row in rows}
    metric = words.metric(str(rows[0].get("metric", "score")))
    arm, against = str(primary.get("arm")), str(primary.get("against"))
    spoken, simple = words.protocol(name).words, words.protocol(plain).words

    def cells(better: tuple[str, str], worse: tuple[str, str]) -> list[str | None]:
        pairs = [(means.get((*better, each)), means.get((*worse, each))) for each in budgets]
        return [None if high is None or low is None else _gain(high - low, metric) for high, low in pairs]

    tables = [
        (f"What unlabelled images gave: {spoken} over {simple}", "Arm", [(each, cells((each, name), (each, plain))) for each in arms]),
        (
            f"What the backbone gave: {arm} over {against}",
            "Protocol",
            [(words.protocol(each).words, cells((arm, each), (against, each))) for each in (plain, name)],
        ),
    ]
    shown = [(title, first, [line for line in lines if any(line[1])]) for title, first, lines in tables]
    return {
        "sentence": _sentence(means, arm, against, name, plain, str(primary.get("budget")), metric, words),
        "heads": [words.budget.of(each) for each in budgets],
        "tables": [{"title": title, "first": first, "lines": lines} for title, first, lines in shown if lines],
        "unit": metric.of_differences,
    }


def _sentence(
    means: Mapping[tuple[str, str, str], float],
    arm: str,
    against: str,
    name: str,
    plain: str,
    budget: str,
    metric: MetricWords,
    words: TaskWords,
) -> str:
    """From the other arm with the plain head to the primary's with both, at the primary's budget; "" where one of the three was not run."""
    start, middle, end = (means.get(point) for point in ((against, plain, budget), (arm, plain, budget), (arm, name, budget)))
    if start is None or middle is None or end is None:
        return ""
    steps = [in_unit(_gain(high - low, metric), metric.of_differences) for high, low in ((middle, start), (end, middle))]
    spoken, simple = words.protocol(name).words, words.protocol(plain).words
    return (
        f"At {words.budget.of(budget)}: {against} with {simple} {in_unit(score(start, metric), metric.of_scores)}, {arm} with {spoken} "
        f"{in_unit(score(end, metric), metric.of_scores)}; {steps[0]} from the backbone, then {steps[1]} from the unlabelled images."
    )


def _gain(value: float, metric: MetricWords) -> str:
    return difference(value if metric.higher_is_better else -value, metric)
