"""Every arm x budget x protocol, as claims.json has it."""

from __future__ import annotations

from labelfree.reporting.sections.base import Context, Section
from labelfree.reporting.still import swatch
from labelfree.reporting.tables import caption, footnotes, score_tables
from labelfree.reporting.words import ARMS


def build(context: Context) -> Section:
    claims = context.run.claims
    rows = claims.get("table") or []
    if not rows:
        return Section("scores", "All scores", absent="No arm was scored, so there is no table.")
    arms = [arm for arm in context.styles if any(row["arm"] == arm for row in rows)]
    tables = score_tables(rows, arms, claims.get("primary") or {})
    return Section(
        "scores",
        "All scores",
        {
            "tables": tables,
            "keys": {arm: swatch(context.styles[arm]) for arm in arms},
            "arms": [(arm, ARMS.get(arm, "weights from a file")) for arm in arms],
            "caption": caption(context.run),
            "footnotes": footnotes(rows),
        },
        lead="Only the outlined comparison was named before the run and is claimed. Everything else is exploratory.",
    )
