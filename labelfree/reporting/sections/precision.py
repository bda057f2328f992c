"""How many of the boxes called are right as more of the objects are found: precision over recall, mean and each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from labelfree.reporting.charts import Chart, Series, Style
from labelfree.reporting.sections.base import Context, Section
from labelfree.reporting.svg_figures import swatch
from labelfree.reporting.words import number

TITLE = "What is found, and how much of it is right"
DRAWN = 6  # classes that have a chart of their own; a table holds all


def build(context: Context) -> Section | None:
    """None where the task draws no such curves."""
    found = context.run.precision_recall
    if not found:
        return None
    arms, words = found["arms"], context.run.words
    styles = {arm: context.styles.get(arm, Style("#1f2933")) for arm in arms}
    levels = list(next(iter(arms.values()))["curves"])
    several = len(found["classes"]) > 1
    means = [
        _chart(f"precision-{at}", f"{'All classes' if several else found['classes'][0]}, {level}", _lines(arms, level, None, styles))
        for at, level in enumerate(levels)
    ]
    each = [
        _chart(f"precision-class-{at}", f"{name}, {levels[0]}", _lines(arms, levels[0], at, styles))
        for at, name in enumerate(found["classes"][:DRAWN])
        if several
    ]
    columns = list(product(next(iter(arms.values()))["scores"], arms))
    rows = [
        {"name": name, "cells": [_percent(arms[arm]["scores"][metric][at]) for metric, arm in columns]}
        for at, name in enumerate(found["classes"])
    ]
    return Section(
        "precision",
        TITLE,
        {
            "charts": [chart for chart in (*means, *each) if chart.series],
            "keys": [(arm, swatch(style)) for arm, style in styles.items()],
            "columns": [f"{metric}, {arm}" for metric, arm in columns],
            "rows": rows,
        },
        lead=f"With {words.budget.of(found['budget'])}, {words.protocol(found['protocol']).heading}. The overlap of a box and an object is "
        "their intersection over union; the surest boxes stand on the left. Exploratory: only the comparison above is claimed.",
    )


def _lines(arms: Mapping[str, Any], level: str, label: int | None, styles: Mapping[str, Style]) -> list[Series]:
    """One line an arm, of a class or (None) of their mean."""
    lines = []
    for arm, of in arms.items():
        curve: Sequence[float] | None = of["curves"][level]["mean"] if label is None else of["curves"][level]["classes"][label]
        if curve is not None:
            recalls = [100 * at / (len(curve) - 1) for at in range(len(curve))]
            lines.append(Series(arm, recalls, [100 * y for y in curve], styles[arm], points=False, strong=label is None))
    return lines


def _chart(key: str, title: str, lines: Sequence[Series]) -> Chart:
    return Chart(
        key,
        title,
        f"Precision over recall: {title}",
        lines,
        x_title="recall, % of the objects found",
        y_title="precision, % of the boxes right",
        y_range=(0, 102),
        height=240,
        width=380,
    )


def _percent(share: float | None) -> str:
    return number(None if share is None else 100 * share)
