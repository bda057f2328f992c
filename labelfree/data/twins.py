"""Files of one name and two endings, such as x.jpg and x.png: an image and its mask where their pixels say so."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from labelfree.data.structure import ending_of
from labelfree.domain import Row, Sample
from labelfree.errors import DataError

FEWEST, LOOKED_AT = 2, 6  # pairs that tell; that are looked at, spread evenly
FLAT = 0.9  # of the pixels of a mask that hold one of its two commonest values: edges that were resized hold others


def twin_masks(rows: Sequence[Row], read: Callable[[Row], Sample]) -> tuple[set[Path], list[str]]:
    """Those files that are masks of a file beside them that is called as they are but for the ending; and a sentence on other pairs.

    Of the pairs looked at all files of one ending hold two levels or one in nearly all of their pixels, and not all of the other.
    """
    pairs: dict[tuple[Path, str], dict[str, Row]] = defaultdict(dict)
    for row in rows:
        ending = ending_of(row.path.name)
        pairs[row.path.parent, row.path.name[: len(row.path.name) - len(ending)].casefold()][ending] = row
    twins = [pair for pair in pairs.values() if len(pair) == 2]
    if not twins:
        return set(), []
    (kinds, count), *_ = Counter(frozenset(pair) for pair in twins).most_common(1)
    twins = [pair for pair in twins if pair.keys() == kinds]
    looked = [twins[at] for at in np.unique(np.linspace(0, count - 1, min(count, LOOKED_AT)).astype(int))]
    flat = {ending for ending in kinds if all(_flat(pair[ending], read) for pair in looked)}
    if count >= FEWEST and len(flat) == 1:
        return {pair[ending].path for pair in twins for ending in flat}, []
    example = " and ".join(sorted(row.path.name for row in twins[0].values()))
    told = f"{count:,} names stand under two endings, such as {example}: both count as images; if one kind is masks, name them in a table."
    return set(), [told]


def _flat(row: Row, read: Callable[[Row], Sample]) -> bool:
    """Whether nearly all pixels hold one of two levels."""
    try:
        values = np.unique(read(row).data.numpy()[0], return_counts=True)[1]
    except (DataError, OSError, ValueError):
        return False
    return bool(np.sort(values)[-2:].sum() >= FLAT * values.sum())
