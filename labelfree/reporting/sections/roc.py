"""How many of what is looked for are found, as more false alarms are put up with."""

from __future__ import annotations

from labelfree.reporting.charts import FAINT, Chart, Series, Style
from labelfree.reporting.sections.base import Context, Section
from labelfree.reporting.svg_figures import swatch

TITLE = "What is found, at which price"


def build(context: Context) -> Section | None:
    """None where the task draws no such curve."""
    found = context.run.roc
    if not found:
        return None
    arms, words = {arm: curve for arm, curve in found["arms"].items() if arm in context.styles}, context.run.words
    lines = [Series("by chance", [0.0, 100.0], [0.0, 100.0], Style(FAINT, "dot"), points=False)]
    for arm, curve in arms.items():
        rates = [100 * at / (len(curve) - 1) for at in range(len(curve))]
        lines.append(Series(arm, rates, [100 * share for share in curve], context.styles[arm], points=False, strong=True))
    chart = Chart(
        key="roc",
        title="Found",
        alt=f"Share found against the share of false alarms, for {' and '.join(arms)}. The area below: see the scores.",
        series=lines,
        x_title="of the others called so, %",
        y_title="of what is looked for found, %",
        y_range=(0.0, 101.5),
        labels=True,
    )
    lead = (
        f"With {words.budget.of(found['budget'])}, {words.protocol(found['protocol']).heading}; mean over draws of labels and folds. "
        "Exploratory: only the comparison above is claimed."
    )
    return Section("roc", TITLE, {"charts": [chart], "keys": [(arm, swatch(context.styles[arm])) for arm in arms]}, lead=lead)
