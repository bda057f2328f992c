"""Scored images and where their scores come from: anomalous ones, the highest and the lowest, and the highest normal ones."""

from __future__ import annotations

from labelfree.reporting.sections.base import Context, Section
from labelfree.reporting.sections.segments import shown

TITLE = "Where scores come from"


def build(context: Context) -> Section | None:
    """None where a run tells no anomalies; where their pictures may not be shown, it says so."""
    found = context.run.heats
    if not found:
        return None
    if context.hidden:
        return Section("heats", TITLE, absent=context.hidden)
    blocks = shown(context, found["images"], str(found["metric"]))
    lead = (
        f"Scored images, by the score of {found['arm']} on each. Clear is as normal images are; yellow, then red lies further away, on "
        "a scale of each arm's own. An illustration; the scores above are the measurement."
    )
    return Section("heats", TITLE, {"blocks": blocks}, lead=lead)
