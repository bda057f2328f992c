"""The scores of a run as lines for the console: one table a protocol, an arm a line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labelfree.reporting.words import score
from labelfree.transfer.words import TaskWords


def score_lines(claims: Mapping[str, Any], words: TaskWords) -> list[str]:
    """Mean scores, budgets in columns, as they stand in claims.json; nothing where nothing was compared."""
    rows = claims.get("table", [])
    lines = []
    for protocol in dict.fromkeys(row["protocol"] for row in rows):
        scored = [row for row in rows if row["protocol"] == protocol]
        budgets = list(dict.fromkeys(str(row["budget"]) for row in scored))
        metric = words.metric(scored[0]["metric"])
        cells = {(row["arm"], str(row["budget"])): score(row["mean"], metric) for row in scored}
        arms = list(dict.fromkeys(row["arm"] for row in scored))
        title = f"{words.protocol(protocol).words}, {metric.words}{f' in {metric.of_scores}' if metric.of_scores else ''} at"
        width = max(map(len, [title, *arms]))
        lines.append(f"{title:<{width}} " + " ".join(f"{budget:>6}" for budget in budgets) + f"  {words.budget.many}")
        lines += [f"{arm:<{width}} " + " ".join(f"{cells.get((arm, budget), '-'):>6}" for budget in budgets) for arm in arms]
    return lines
