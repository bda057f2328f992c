"""The table of scores: one block a protocol, an arm a row, a budget a column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labelfree.reporting.files import RunFiles
from labelfree.reporting.words import count, score
from labelfree.transfer.words import SHARE, MetricWords, TaskWords

MARKS = "†‡"
UNDERTRAINED = "undertrained: the solver had not converged in every draw; carries no claim"


def score_tables(
    rows: Sequence[Mapping[str, Any]], arms: Sequence[str], primary: Mapping[str, Any], words: TaskWords
) -> list[dict[str, Any]]:
    """For each protocol its title, budgets and lines of cells; a cell nobody computed is None."""
    marks = {sentence: mark for mark, sentence in footnotes(rows)}
    tables = []
    for name in sorted(dict.fromkeys(row["protocol"] for row in rows), key=lambda name: name != primary.get("protocol")):
        scored = [row for row in rows if row["protocol"] == name]
        budgets = sorted({(float(row["x"]), str(row["budget"])) for row in scored})
        by_place = {(row["arm"], str(row["budget"])): row for row in scored}
        claimed, metric = primary.get("protocol") == name, words.metric(str(scored[0].get("metric", "score")))
        lines = [
            {
                "arm": arm,
                "cells": [
                    cell(
                        by_place[arm, each],
                        marks,
                        metric,
                        claimed and str(primary.get("budget")) == each and arm in (primary.get("arm"), primary.get("against")),
                    )
                    if (arm, each) in by_place
                    else None
                    for _, each in budgets
                ],
            }
            for arm in arms
            if any(row["arm"] == arm for row in scored)
        ]
        heads = [{"title": words.budget.of(each), "labels": labels_in(scored, each)} for _, each in budgets]
        measured = f"{metric.heading}, {metric.of_scores}" if metric.of_scores else metric.heading
        tables.append({"title": words.protocol(name).heading, "metric": measured, "heads": heads, "lines": lines})
    return tables


def cell(row: Mapping[str, Any], marks: Mapping[str, str], metric: MetricWords, claimed: bool) -> dict[str, Any]:
    """One score: mean ± half its interval, or the two ends where the interval is lopsided, with what was chosen for it."""
    mean, low, high = row.get("mean"), row.get("low"), row.get("high")
    spread, span = "", ""
    if mean is not None and low is not None and high is not None:
        span = f"{score(low, metric)} to {score(high, metric)}"
        lopsided = abs((high - mean) - (mean - low))
        even = lopsided < (5e-4 if metric.unit == SHARE else 0.01 * (high - low))
        spread = f"± {score((high - low) / 2, metric)}" if even else f"({span})"
    return {
        "mean": "not defined" if mean is None else score(mean, metric),
        "raw": mean,
        "low": low,
        "high": high,
        "spread": spread,
        "span": span,
        "size": f"{row['size']} px" if row.get("size") else "",
        "marks": "".join(marks[sentence] for sentence in remarks(row)),
        "claimed": claimed,
    }


def labels_in(rows: Sequence[Mapping[str, Any]], name: str) -> str:
    """The number of labels in a budget; a mean where folds differ."""
    seen = [float(row["n_labels"]) for row in rows if str(row["budget"]) == name and row.get("n_labels") is not None]
    one = ", one draw" if all(row.get("draws") == 1 for row in rows if str(row["budget"]) == name) else ""
    return count(round(max(seen)), "label") + one if seen else ""


def remarks(row: Mapping[str, Any]) -> list[str]:
    """What a reader must know of one score."""
    return [UNDERTRAINED] if row.get("undertrained") else []


def footnotes(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Each mark with what it means, in the order first met."""
    return list(zip(MARKS, dict.fromkeys(sentence for row in rows for sentence in remarks(row)), strict=False))


def caption(run: RunFiles) -> list[str]:
    """PROTOCOL 15: how the numbers of the table came about, in the order a reader asks."""
    draws = max((int(row["draws"]) for row in run.claims.get("table") or []), default=0)
    units = {run.words.metric(str(row.get("metric", "score"))).unit for row in run.claims.get("table") or []}
    unit = "in per cent " if units <= {SHARE} else "".join(f"in {unit} " for unit in sorted(units) if unit)
    sentences = [f"Mean score {unit}± half the width of its 95 % interval; below it the input size chosen most often."]
    if draws > 1:
        sentences.append(f"Means over {draws} draws of labels, the same for every arm.")
    sentences.append("The pretraining's last weights, never the best on scored images.")
    return [*sentences, *([run.claims["caption"]] if run.claims.get("caption") else [])]
