"""Scored images with what is on them and what was found: the best, those in the middle, the worst."""

from __future__ import annotations

from labelfree.reporting.sections.base import Context, Section
from labelfree.reporting.sections.segments import TITLE, shown

PIXELS = 640  # of a picture, twice as many as it is drawn with on a small screen


def build(context: Context) -> Section | None:
    """None where a run finds no boxes; where their pictures may not be shown, it says so."""
    found = context.run.boxes
    if context.hidden:
        return Section("boxes", TITLE, absent=context.hidden) if found or context.run.precision_recall else None
    if not found:
        return None
    blocks = shown(context, found["images"], str(found["metric"]), PIXELS)
    return Section(
        "boxes",
        TITLE,
        {"blocks": blocks, "legend": found["classes"], "ignored": any(each["ignored"] for each in found["images"])},
        lead=f"Scored images, by the score of {found['arm']} on each. Of the boxes found as many of the surest are drawn as there are "
        "objects, and one at least, dashed where it matches none by half. An illustration; the scores above are the measurement.",
    )
