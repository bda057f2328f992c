"""Which rows of a table are taken, as `data.where` says by column; and columns that tell several sets in one table apart."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from labelfree.errors import DataError

Where = Mapping[str, str | int | Sequence[str | int]]
EVERY: Where = MappingProxyType({})
Numbered = Sequence[tuple[int, Sequence[str | None]]]  # number of each row, and its cells
SETS = {"object", "objectname", "product", "productname", "item", "itemname", "article", "objekt", "produkt", "artikel"}  # without signs
LISTED = 6  # values that a sentence names


def taken_rows(file: Path, header: Sequence[str], rows: Numbered, where: Where) -> set[int]:
    """The numbers of the rows in whose columns stands what `where` says, or one of what it lists; of all rows where it says nothing.

    Raises `DataError` for a column that is not there, and where no row is left.
    """
    taken = {number for number, _ in rows}
    names = [name.strip() for name in header]
    for column, wanted in where.items():
        if column not in names:
            raise DataError(f"data.where: {file.name} has no column {column!r}; {_meant(column, names)}")
        at, values = names.index(column), set(map(str, [wanted] if isinstance(wanted, str | int) else wanted))
        there = {number: _cell(cells, at) for number, cells in rows}
        if unknown := sorted(values - set(there.values())):
            raise DataError(f"data.where: no row of {file.name} has {unknown[0]!r} in `{column}`; {_meant(unknown[0], [*there.values()])}")
        taken &= {number for number, value in there.items() if value in values}
    if where and not taken:
        raise DataError(f"data.where: no row of {file.name} has all of it ({dict(where)}); leave a column out.")
    return taken


def several_sets(file: Path, header: Sequence[str], rows: Numbered, known: Collection[int], where: Where) -> str:
    """A sentence on a column that tells several sets apart; empty where there is none, or `where` chooses by it.

    `known`: positions of columns that are read as something else.
    """
    for at, name in enumerate(header):
        counts = Counter(value for _, cells in rows if (value := _cell(cells, at)))
        named = re.sub(r"[\W_]+", "", name).lower() in SETS
        column = name.strip()
        if named and at not in known and column not in where and 1 < len(counts) <= counts.total() / 2:
            shown = ", ".join(f"{value} {number:,}" for value, number in counts.most_common(LISTED)) + ", …" * (len(counts) > LISTED)
            one = f"data.where={{{column}: {counts.most_common(1)[0][0]}}} takes one of them"
            return (
                f"{file.name}: its column `{column}` tells {len(counts)} sets apart ({shown}), which are read as one, so that what is "
                f"normal in one counts as normal in all; {one}."
            )
    return ""


def _cell(cells: Sequence[str | None], at: int) -> str:
    return (cells[at] or "").strip() if at < len(cells) else ""


def _meant(said: str, known: Sequence[str]) -> str:
    names = list(dict.fromkeys(filter(None, known)))
    near = difflib.get_close_matches(said, names, 1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(names[:LISTED])}{', …' * (len(names) > LISTED)}."
