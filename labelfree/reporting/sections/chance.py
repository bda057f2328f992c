"""Every metric that knows what chance would score, beside that: of all arms, with their intervals."""

from __future__ import annotations

from labelfree.reporting.sections.base import Context, Section
from labelfree.reporting.svg_figures import swatch
from labelfree.reporting.words import score


def build(context: Context) -> Section | None:
    """None where the task knows no chance."""
    rows = context.run.chance
    if not rows:
        return None
    words = context.run.words
    heads = [words.metric(name) for name in dict.fromkeys(row["metric"] for row in rows)]
    arms = [arm for arm in context.styles if any(row["arm"] == arm for row in rows)]
    lines = []
    for name in dict.fromkeys(row["metric"] for row in rows):
        metric, of_metric = words.metric(name), {row["arm"]: row for row in rows if row["metric"] == name}
        cells = []
        for arm in arms:
            row = of_metric[arm]
            span = "no interval" if row["low"] is None else f"{score(row['low'], metric)} to {score(row['high'], metric)}"
            cells.append({"mean": score(row["mean"], metric), "span": span, "beyond": row["beyond"]})
        chances = sorted({score(row["chance"], metric) for row in of_metric.values()})
        lines.append({"title": f"{metric.heading}{', ' + metric.of_scores if metric.of_scores else ''}", "cells": cells, "chance": chances})
    return Section(
        "chance",
        "Beside chance",
        {"keys": [(arm, swatch(context.styles[arm])) for arm in arms], "lines": lines},
        lead="Chance: the galleries in random order, counted exactly. Bold: all of the 95 % interval is better. "
        f"Of these {len(heads)} numbers only the claimed one was named before the run.",
    )
