"""Heads trained by steps that lie below what is solved to its end on the same features.

Their loss may have stopped falling with its rate alone: a cosine ends at 0 (docs/protocol.md, 15), whether or not there was more to learn.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from labelfree.transfer.protocols import Protocol
from labelfree.transfer.words import TaskWords

if TYPE_CHECKING:
    from labelfree.transfer.claims.claims import TableRow


def short_words(table: Iterable[TableRow], protocols: Iterable[Protocol], words: TaskWords) -> list[str]:
    """A sentence for each arm and protocol by steps whose interval lies wholly on the worse side of that of a protocol that was solved; at
    the largest budget where it does. It voids nothing. `table`: budgets rising.
    """
    by_steps = {protocol.name: protocol.steps is not None for protocol in protocols}
    points: dict[tuple[str, str], list[TableRow]] = {}
    for row in table:
        points.setdefault((row.arm, row.budget), []).append(row)
    said: dict[tuple[str, str], str] = {}
    for rows in points.values():
        solved = [row for row in rows if not by_steps[row.protocol] and not row.undertrained]
        for row in (row for row in rows if by_steps[row.protocol] and not row.undertrained):
            above = [other for other in solved if _clearly_better(other, row, words.metric(row.metric).higher_is_better)]
            if above:
                said[row.arm, row.protocol] = _sentence(row, above[0], words)
    return list(said.values())


def _clearly_better(one: TableRow, other: TableRow, higher: bool) -> bool:
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return False
    return one.low > other.high if higher else one.high < other.low


def _sentence(row: TableRow, better: TableRow, words: TaskWords) -> str:
    metric, names = words.metric(row.metric), [words.protocol(each.protocol).words for each in (row, better)]
    apart = metric.difference(row.mean - better.mean)
    where = f"{row.arm}, {words.budget.of(row.budget)}"
    return (
        f"{where}: {names[0]} is clearly worse than {names[1]} on the same features ({apart}), so its steps or these labels were too few "
        "for it, though its loss had stopped falling; give evaluate.minutes more, or compare by the other."
    )
