"""Whether scores are what they say: how often images are called right, against the score that they are called with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labelfree.reporting.charts import FAINT, Chart, Series, Style
from labelfree.reporting.sections.base import Context, Section
from labelfree.reporting.svg_figures import swatch
from labelfree.reporting.words import in_unit, score
from labelfree.transfer.words import MetricWords

TITLE = "Whether scores are what they say"
TRUE = "as they say"


def build(context: Context) -> Section | None:
    """None where answers have no scores of classes, and in a run that was scored before they were looked at."""
    found = context.run.reliability
    if not found or not context.run.claims.get("table"):
        return None
    words = context.run.words
    arms = [arm for arm in found["arms"] if arm in context.styles]
    metrics = {name: words.metric(name) for arm in arms for name in found["arms"][arm]["metrics"]}
    lines = [(arm, [measured(found["arms"][arm]["metrics"][name], metric) for name, metric in metrics.items()]) for arm in arms]
    return Section(
        "reliability",
        TITLE,
        {
            "charts": [chart(found["arms"], context.styles)],
            "keys": [(arm, swatch(context.styles[arm])) for arm in arms],
            "heads": [metric.heading for metric in metrics.values()],
            "lines": lines,
        },
        lead=f"With {words.budget.of(found['budget'])}, {words.protocol(found['protocol']).heading}. On the dotted line scores are what "
        "they say; below it a head is surer than it is right, above it less sure. The two errors are 0 for perfect scores. Exploratory.",
    )


def chart(arms: Mapping[str, Mapping[str, Any]], styles: Mapping[str, Style]) -> Chart:
    """Bins that hold any image, in per cent."""
    lines = [Series(TRUE, [0.0, 100.0], [0.0, 100.0], Style(FAINT, "dot"), points=False)]
    for arm, told in arms.items():
        held = [(100 * x, 100 * y) for x, y in zip(told["confidence"], told["accuracy"], strict=True) if x is not None]
        if arm in styles:
            lines.append(Series(arm, [x for x, _ in held], [y for _, y in held], styles[arm], strong=True))
    return Chart(
        key="reliability",
        title="Called right",
        alt=f"Share of images called right against the score they are called with, for {' and '.join(arms)}. Errors: see the table.",
        series=lines,
        x_title="score of the class called, %",
        y_title="of the images of such scores, %",
        y_range=(0.0, 101.5),
        labels=True,
    )


def measured(told: Mapping[str, float | None], metric: MetricWords) -> str:
    """A metric with its interval."""
    mean = in_unit(score(told["mean"], metric), metric.of_scores)
    if told["low"] is None or told["high"] is None:
        return mean
    return f"{mean} ({score(max(0.0, told['low']), metric)} to {score(told['high'], metric)})"
