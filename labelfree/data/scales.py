"""Whether images can be on one scale, told from their largest numbers: a unit is believed unless pixels contradict it."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from labelfree.domain import Row
from labelfree.errors import DataError

MIXED, ALIKE = 20, 200  # times larger or smaller, where nothing relates two types of numbers, and otherwise: beyond, it is another scale
TORN = 1000  # times, where no image lies between two of one type in real numbers: heights may be 1 m and 500 m, 0.3 and 3000 is one thing
DEPTH = 8  # times smaller, where integers of two types are both taken to fill their type: 12 bits in 16 are no 16 bits


class Stored(NamedTuple):
    """How numbers are stored: their type ("": not told), and the scale and offset a channel that make them physical."""

    dtype: str
    scale: tuple[float, ...] = ()
    offset: tuple[float, ...] = ()

    @property
    def integer(self) -> bool:
        """Whether they are whole numbers."""
        return self.dtype.startswith(("int", "uint"))

    @property
    def fills(self) -> bool:
        """Whether the largest number of the type stands for 1: a guess, where files do not say how many of its bits they use."""
        return self.integer and all(abs(scale * np.iinfo(self.dtype).max - 1) < 1e-6 for scale in self.scale)


def same_scale(most: float, stored: Stored, others: float, others_stored: Stored) -> bool:
    """Whether images whose largest value (without sign) is `most` can be on the scale of others, both in the unit they claim.

    Images may be dark, and a saturated pixel far above the rest; less is believed where types differ and one scale is claimed for both.
    Nothing but zeros is no evidence, and neither is darkness of whole numbers that are stored alike.
    """
    if not most or not others:
        return True
    darker = brighter = float(ALIKE)
    if stored == others_stored:
        darker = np.inf if stored.integer else ALIKE
    elif stored.dtype and others_stored.dtype and stored.dtype != others_stored.dtype:
        if stored[1:] == others_stored[1:]:
            darker = MIXED
        elif stored.fills and others_stored.fills:
            darker = brighter = DEPTH
    return others / darker <= most <= others * min(brighter, MIXED)


class Scales:
    """The largest numbers of images, by the way they are stored."""

    def __init__(self) -> None:
        self.found: dict[Stored, list[tuple[float, Row]]] = defaultdict(list)

    def note(self, row: Row, stored: Stored, most: float) -> None:
        """An image of `row` whose largest value without sign is `most`."""
        self.found[stored].append((most, row))

    def require_one(self, usual: Stored, unit: str) -> None:
        """Raises DataError where images cannot be on the scale of those that are stored as usual, or these fall apart in two scales."""
        most = max((most for most, _ in self.found.get(usual, ())), default=0.0)
        for stored, images in self.found.items():
            largest = max(most for most, _ in images)
            if not same_scale(largest, stored, most, usual):
                others = f"others are {usual.dtype} up to {most:,.4g}"
                raise DataError(_apart(images[0][1], f"{stored.dtype} up to {largest:,.4g} {unit}", others))
            if not stored.integer and (torn := _torn(images)):
                (low, first), (high, second) = torn
                others = f"others, such as {second.called}, up to {high:,.4g}"
                raise DataError(_apart(first, f"{stored.dtype} up to {low:,.4g} {unit}", others))


def _torn(images: list[tuple[float, Row]]) -> tuple[tuple[float, Row], tuple[float, Row]] | None:
    """Neighbours in size between which nothing lies though they are `TORN` times apart: one of each scale, the rarer first."""
    seen = sorted((image for image in images if image[0] > 0), key=lambda image: image[0])
    apart = [high[0] / low[0] for low, high in pairwise(seen)]
    if not apart or max(apart) < TORN:
        return None
    at = int(np.argmax(apart)) + 1
    below, above = seen[at - 1], seen[at]
    return (below, above) if 2 * at <= len(seen) else (above, below)


def _apart(row: Row, seen: str, others: str) -> str:
    return f"{row.called}: {seen}, {others}, and nothing says how the two scales relate; convert it, or say data.unit."
