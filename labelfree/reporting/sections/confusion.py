"""What was taken for what: the confusion matrices of the claimed comparison, with producer's and user's accuracy of each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from labelfree.reporting.sections.base import Context, Section
from labelfree.reporting.svg_figures import swatch
from labelfree.reporting.words import count, number, score
from labelfree.transfer.words import MetricWords

TITLE = "What is taken for what"
MOST = 25  # classes in a table; of more the commonest confusions are listed
PAIRS = 15
ROOM = 30  # letters of class names that stand side by side above a table; longer ones are turned
DARK = 0.75  # share of a row from which on its number is printed in white
SCORINGS = "Each of the {counted} counts once for every draw of labels and pretraining seed: {times} times."


def build(context: Context) -> Section | None:
    """None where answers are not classes."""
    found = context.run.confusion
    if not context.run.claims.get("table"):
        return Section("confusion", TITLE, absent="No arm was scored, so nothing was taken for anything.")
    if not found:
        return None
    classes, counted = found["classes"], str(found["counted"])
    words, means = context.run.words, found.get("means", {})
    large = len(classes) > MOST
    tables = [
        {
            "arm": arm,
            "key": swatch(context.styles[arm]) if arm in context.styles else "",
            **(commonest(table, classes) if large else matrix(table, classes, found.get("shares", {}).get(arm, {}))),
            "means": {_called(words.metric(name)): _printed(of, words.metric(name)) for name, of in means.get(arm, {}).items()},
        }
        for arm, table in found["arms"].items()
    ]
    times = max(found["times"].values())
    return Section(
        "confusion",
        TITLE,
        {
            "tables": tables,
            "classes": classes,
            "counted": counted,
            "large": large,
            "upright": sum(map(len, classes)) <= ROOM,
            "note": SCORINGS.format(counted=counted, times=times) if times > 1 else "",
        },
        lead=f"With {words.budget.of(found['budget'])}, {words.protocol(found['protocol']).heading}. A row is what {counted} are, a column "
        "what they were called, in per cent of the row. Exploratory: only the comparison above is claimed.",
    )


def _called(metric: MetricWords) -> str:
    return ", ".join(filter(None, (metric.words, metric.of_scores)))


def _printed(values: Sequence[float | None], metric: MetricWords) -> list[str]:
    return [score(value, metric) for value in values]


def matrix(
    table: Sequence[Sequence[int]], classes: Sequence[str], shares: Mapping[str, Sequence[float | None]] = MappingProxyType({})
) -> dict[str, Any]:
    """Cells in per cent of their row; at the end of rows producer's accuracies, under columns user's and then `shares`, what else is said
    of each class; in the corner the overall one.
    """
    support, called = [sum(row) for row in table], [sum(column) for column in zip(*table, strict=True)]
    hits = [row[at] for at, row in enumerate(table)]
    lines = [
        {
            "name": name,
            "size": f"{support[at]:,}",
            "cells": [cell(n, support[at], at == column) for column, n in enumerate(table[at])],
            "producers": percent(hits[at], support[at]),
        }
        for at, name in enumerate(classes)
    ]
    return {
        "lines": lines,
        "users": [percent(hit, n) for hit, n in zip(hits, called, strict=True)],
        "overall": percent(sum(hits), sum(support)),
        "total": f"{sum(support):,}",
        "shares": {word: [number(None if one is None else 100 * one) for one in of] for word, of in shares.items()},
    }


def cell(counted: int, support: int, right: bool) -> dict[str, Any]:
    """A share of a row: how dark it is, and whether it is right. Nothing is printed where nothing was counted."""
    share = counted / support if support else 0.0
    shown = "" if not counted else "< 1" if share < 0.01 else number(100 * share, 0)
    return {"text": shown, "heat": round(share, 3), "kind": "right" if right else "wrong", "dark": share >= DARK, "count": f"{counted:,}"}


def commonest(table: Sequence[Sequence[int]], classes: Sequence[str]) -> dict[str, Any]:
    """The confusions that were counted most, of as many classes as no table holds."""
    pairs = [(n, at, to) for at, row in enumerate(table) for to, n in enumerate(row) if at != to and n]
    found: list[Mapping[str, str]] = [
        {"truth": classes[at], "called": classes[to], "share": percent(n, sum(table[at])), "count": f"{n:,}"}
        for n, at, to in sorted(pairs, key=lambda pair: (-pair[0], pair[1:]))[:PAIRS]
    ]
    right, total = sum(row[at] for at, row in enumerate(table)), sum(map(sum, table))
    return {"pairs": found, "overall": percent(right, total), "confusions": count(len(pairs), "pair")}


def percent(part: int, whole: int) -> str:
    """A share in per cent; an en dash of nothing."""
    return number(100 * part / whole if whole else None)
