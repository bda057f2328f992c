"""Decisions at a threshold: misses and false alarms of the claimed comparison's arms, with exact intervals."""

from __future__ import annotations

from labelfree.reporting.sections.base import Context, Section
from labelfree.reporting.svg_figures import swatch

TITLE = "Decisions at a threshold"


def build(context: Context) -> Section | None:
    """None where the recipe asks for no threshold."""
    points, primary = context.run.claims.get("operating"), context.run.claims.get("primary") or context.run.setting("evaluate.primary")
    if not points:
        return None
    first, words = points[0], context.run.words
    lead = (
        f"With {words.budget.of(primary['budget'])}, {words.protocol(primary['protocol']).heading}. Each threshold was set inside its own "
        f"labels, on scores that were not learned from, so that {first['bound']}; what it does on the scored {first['unit']}s stands here."
    )
    keys = {arm: swatch(style) for arm, style in context.styles.items()}
    told = [{"key": keys.get(point["arm"], ""), "sentence": point["sentence"]} for point in points]
    return Section("operating", TITLE, {"points": told, "unit": first["unit"]}, lead=lead)
