"""The scores of a run as lines for the console: one table a protocol, an arm a line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def score_lines(claims: Mapping[str, Any]) -> list[str]:
    """Mean scores in percent, budgets in columns, as they stand in claims.json; nothing where nothing was compared."""
    rows = claims.get("table", [])
    lines = []
    for protocol in dict.fromkeys(row["protocol"] for row in rows):
        mine = [row for row in rows if row["protocol"] == protocol]
        budgets = list(dict.fromkeys(str(row["budget"]) for row in mine))
        found = {(row["arm"], str(row["budget"])): f"{100 * row['mean']:.1f}" for row in mine}
        arms = list(dict.fromkeys(row["arm"] for row in mine))
        title = f"{protocol}, {mine[0]['metric']} in % at"
        width = max(map(len, [title, *arms]))
        lines.append(f"{title:<{width}} " + " ".join(f"{budget:>6}" for budget in budgets) + "  labels a class")
        lines += [f"{arm:<{width}} " + " ".join(f"{found.get((arm, budget), '-'):>6}" for budget in budgets) for arm in arms]
    return lines
