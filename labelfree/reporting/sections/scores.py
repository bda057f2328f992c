"""Every arm x budget x protocol, as claims.json has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labelfree.reporting.gains import gains
from labelfree.reporting.sections.base import Context, Section
from labelfree.reporting.svg_figures import swatch
from labelfree.reporting.tables import caption, footnotes, score_tables
from labelfree.reporting.words import arm_words


def build(context: Context) -> Section:
    claims = context.run.claims
    rows = claims.get("table") or []
    if not rows:
        return Section("scores", "All scores", absent="No arm was scored, so there is no table.")
    arms = [arm for arm in context.styles if any(row["arm"] == arm for row in rows)]
    named, main = context.run.setting("evaluate.arms", []), str((claims.get("primary") or {}).get("arm"))
    tables = score_tables(rows, arms, claims.get("primary") or {}, context.run.words)
    return Section(
        "scores",
        "All scores",
        {
            "tables": tables,
            "gains": gains(rows, arms, claims.get("primary") or {}, context.run.words),
            "keys": {arm: swatch(context.styles[arm]) for arm in arms},
            "arms": [(arm, f"{arm_words(arm, named)}{other_network(arm, rows, main)}") for arm in arms],
            "caption": caption(context.run),
            "footnotes": footnotes(rows),
        },
        lead="Only the outlined comparison was named before the run and is claimed. Everything else is exploratory.",
    )


def other_network(arm: str, rows: Sequence[Mapping[str, Any]], main: str) -> str:
    """An arm's network where that is not the primary arm's, to stand behind what it starts from (PROTOCOL 9)."""
    networks = {row["arm"]: str(row.get("backbone") or "") for row in rows}
    other = networks.get(arm) and networks.get(main) and networks[arm] != networks[main]
    return f"; different architecture: {networks[arm]}, not {networks[main]}" if other else ""
