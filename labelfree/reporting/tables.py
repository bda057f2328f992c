"""The table of scores: one block a protocol, an arm a row, a budget a column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labelfree.reporting.files import RunFiles
from labelfree.reporting.words import budget, count, listed, metric, number, percent, protocol

MARKS = "†‡§¶#"
MEANINGS = {
    "undertrained": "undertrained: the head's solver had not converged, or its loss was still falling; carries no claim",
    "not_converged": "the solver had not converged; carries no claim",
    "different_architecture": "another architecture than the domain arm's",
    "single_draw": "one draw: how the draw of labels varies is not in the interval",
}


def score_tables(rows: Sequence[Mapping[str, Any]], arms: Sequence[str], primary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """For each protocol its title, budgets and lines of cells; a cell nobody computed is None."""
    marks = flag_marks(rows)
    tables = []
    for name in dict.fromkeys(row["protocol"] for row in rows):
        own = [row for row in rows if row["protocol"] == name]
        budgets = sorted({(float(row["x"]), str(row["budget"])) for row in own})
        found = {(row["arm"], str(row["budget"])): row for row in own}
        here = primary.get("protocol") == name
        lines = [
            {
                "arm": arm,
                "cells": [
                    cell(found[arm, each], marks, here and str(primary.get("budget")) == each and arm in (primary.get("arm"), primary.get("against")))
                    if (arm, each) in found
                    else None
                    for _, each in budgets
                ],
            }
            for arm in arms
            if any(row["arm"] == arm for row in own)
        ]
        heads = [{"title": budget(each), "labels": labels_in(own, each)} for _, each in budgets]
        tables.append({"title": protocol(name), "metric": metric(str(own[0].get("metric", "score"))), "heads": heads, "lines": lines})
    return tables


def cell(row: Mapping[str, Any], marks: Mapping[str, str], claimed: bool) -> dict[str, Any]:
    """One score: mean ± half its interval, or the two ends where the interval is lopsided, with what was chosen for it."""
    mean, low, high = row.get("mean"), row.get("low"), row.get("high")
    spread, span = "", ""
    if mean is not None and low is not None and high is not None:
        span = f"{percent(low)} to {percent(high)}"
        spread = f"± {number(50 * (high - low))}" if abs((high - mean) - (mean - low)) < 5e-4 else f"({span})"
    sizes = row.get("sizes") or []
    return {
        "mean": percent(mean),
        "raw": mean,
        "low": low,
        "high": high,
        "spread": spread,
        "span": span,
        "size": " / ".join(f"{size} px" for size in dict.fromkeys(sizes)),
        "marks": "".join(marks[flag] for flag in flags(row)),
        "claimed": claimed,
    }


def labels_in(rows: Sequence[Mapping[str, Any]], name: str) -> str:
    """The number of labels in a budget, as a span where folds differ."""
    seen = sorted({int(row["n_labels"]) for row in rows if str(row["budget"]) == name and row.get("n_labels") is not None})
    return "" if not seen else count(seen[-1], "label") if seen[0] == seen[-1] else f"{seen[0]:,} to {seen[-1]:,} labels"


def flags(row: Mapping[str, Any]) -> list[str]:
    """Flags of a row, stored as a list or as one string with semicolons."""
    stored = row.get("flags") or []
    return [flag.strip() for flag in (stored.split(";") if isinstance(stored, str) else stored) if flag.strip()]


def flag_marks(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    seen = list(dict.fromkeys(flag for row in rows for flag in flags(row)))
    return {flag: MARKS[i % len(MARKS)] * (1 + i // len(MARKS)) for i, flag in enumerate(seen)}


def footnotes(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Each mark with what it means."""
    return [(mark, MEANINGS.get(flag, flag.replace("_", " "))) for flag, mark in flag_marks(rows).items()]


def caption(run: RunFiles) -> list[str]:
    """PROTOCOL 15: how the numbers of the table came about, in the order a reader asks."""
    claims = run.claims
    rows = claims.get("table") or []
    draws = sorted({int(row["draws"]) for row in rows if row.get("draws")})
    said = ["Mean score in per cent ± half the width of its 95 % interval; below it the input size that was chosen."]
    if draws:
        said.append(f"Means over {listed([str(n) for n in draws], 'or')} draws of labels, the same for every arm. Last epoch of the pretraining, never the best on scored images.")
    stated = claims.get("caption") or claims.get("settings")
    if isinstance(stated, str):
        said.append(stated)
    elif isinstance(stated, Mapping):
        said += [f"{str(name).replace('_', ' ').capitalize()}: {', '.join(map(str, value)) if isinstance(value, list) else value}." for name, value in stated.items()]
    elif isinstance(stated, list):
        said += [str(sentence) for sentence in stated]
    return said
