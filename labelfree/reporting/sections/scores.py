"""Every arm x budget x protocol, as claims.json has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labelfree.reporting.gains import gains
from labelfree.reporting.sections.base import Context, Section
from labelfree.reporting.svg_figures import swatch
from labelfree.reporting.tables import caption, footnotes, score_tables
from labelfree.reporting.words import ARMS


def build(context: Context) -> Section:
    claims = context.run.claims
    rows = claims.get("table") or []
    if not rows:
        return Section("scores", "All scores", absent="No arm was scored, so there is no table.")
    arms = [arm for arm in context.styles if any(row["arm"] == arm for row in rows)]
    tables = score_tables(rows, arms, claims.get("primary") or {}, context.run.words)
    return Section(
        "scores",
        "All scores",
        {
            "tables": tables,
            "gains": gains(rows, arms, claims.get("primary") or {}, context.run.words),
            "keys": {arm: swatch(context.styles[arm]) for arm in arms},
            "arms": [(arm, meaning(arm, rows, str((claims.get("primary") or {}).get("arm")))) for arm in arms],
            "caption": caption(context.run),
            "footnotes": footnotes(rows),
        },
        lead="Only the outlined comparison was named before the run and is claimed. Everything else is exploratory.",
    )


def meaning(arm: str, rows: Sequence[Mapping[str, Any]], main: str) -> str:
    """What an arm starts from, and its network where that is not the primary arm's (PROTOCOL 9)."""
    networks = {row["arm"]: str(row.get("backbone") or "") for row in rows}
    text = ARMS.get(arm, "weights from a file")
    other = networks.get(arm) and networks.get(main) and networks[arm] != networks[main]
    return f"{text}; different architecture: {networks[arm]}, not {networks[main]}" if other else text
