"""Files of one name and two endings, such as x.jpg and x.png: an image and its mask where their pixels say so."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from labelfree.data.structure import ending_of
from labelfree.domain import Row, Sample
from labelfree.errors import DataError

FEWEST, LOOKED_AT = 2, 6  # pairs that tell; that are looked at, spread evenly
FEW = 16  # levels: of masks of as many classes
FLAT = 0.9  # of the pixels of a mask that hold one of its two commonest values: edges that were resized hold others


def twin_masks(rows: Sequence[Row], read: Callable[[Row], Sample]) -> tuple[set[Path], list[str]]:
    """Those files that are masks of a file beside them that is called as they are but for the ending; and sentences on other pairs.

    Of the pairs looked at all files of one ending hold few levels, or two in nearly all of their pixels, and not all of the other.
    """
    names: dict[tuple[Path, str], dict[str, Row]] = defaultdict(dict)
    for row in rows:
        ending = ending_of(row.path.name)
        names[row.path.parent, row.path.name[: len(row.path.name) - len(ending)].casefold()][ending] = row
    kinds: dict[frozenset[str], list[dict[str, Row]]] = defaultdict(list)
    for pair in names.values():
        if len(pair) == 2:
            kinds[frozenset(pair)].append(pair)
    masks, told = set[Path](), list[str]()
    for endings, pairs in kinds.items():
        looked = [pairs[at] for at in np.unique(np.linspace(0, len(pairs) - 1, min(len(pairs), LOOKED_AT)).astype(int))]
        flat = [ending for ending in endings if all(_flat(pair[ending], read) for pair in looked)]
        if len(pairs) >= FEWEST and len(flat) == 1:
            masks |= {pair[flat[0]].path for pair in pairs}
            continue
        example = " and ".join(sorted(row.path.name for row in pairs[0].values()))
        stand = "names stand" if len(pairs) > 1 else "name stands"
        told.append(
            f"{len(pairs):,} {stand} under two endings, such as {example}: both count as images; a table may name one kind as masks."
        )
    return masks, told


def _flat(row: Row, read: Callable[[Row], Sample]) -> bool:
    """Whether there are few levels, or nearly all pixels hold one of two."""
    try:
        counts = np.unique(read(row).data.numpy()[0], return_counts=True)[1]
    except (DataError, OSError, ValueError):
        return False
    return bool(len(counts) <= FEW or np.sort(counts)[-2:].sum() >= FLAT * counts.sum())
