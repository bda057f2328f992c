"""Whether images can be on one scale, told from their largest numbers: a unit is believed unless pixels contradict it."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from labelfree.domain import ARBITRARY, Row
from labelfree.errors import DataError
from labelfree.installed_domains import key_for

MIXED, OTHER_SCALE = 20, 200  # times larger or smaller, where nothing relates real to whole numbers, and where scales differ: another scale
FAINT = 1000  # times smaller, among real numbers of one scale: a flat coast beside mountains is not, 0 to 1 beside 0 to 4000 is
DEPTH = 8  # times smaller, where integers of two types are both taken to fill their type: 12 bits in 16 are no 16 bits
FEW_IMAGES = 0.05  # of a set's images, up to which faint ones are outliers and no second scale


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

    def like(self, other: Stored) -> bool:
        """Whether both are real, or whole of one size, on one scale: nothing needs to relate them."""
        sizes = [np.dtype(each.dtype).itemsize if each.integer else 0 for each in (self, other)]
        return self.integer == other.integer and sizes[0] == sizes[1] and self[1:] == other[1:]


def same_scale(most: float, stored: Stored, others: float, others_stored: Stored, usual: float | None = None) -> bool:
    """Whether images whose largest value (without sign) is `most` can be on the scale of others, both in the unit they claim.

    `others`: the largest that these hold, `usual`: what most of them stay below, if that is known. Images may be dark, and a saturated
    pixel far above the rest. Nothing but zeros is no evidence, and neither is darkness of whole numbers that are stored alike.
    """
    if not most or not others:
        return True
    darker, brighter = float(FAINT), float(MIXED)
    if stored.dtype and others_stored.dtype:
        if stored.like(others_stored):
            darker = np.inf if stored.integer else FAINT
        elif stored[1:] == others_stored[1:]:
            darker = MIXED
        elif stored.fills and others_stored.fills:
            darker = brighter = DEPTH
        else:
            darker = brighter = OTHER_SCALE
    return (usual or others) / darker <= most <= others * brighter


class Scales:
    """The largest numbers of images, by the way they are stored. `domain`: that reads them, for sentences that name its keys."""

    def __init__(self, domain: str | None = None) -> None:
        self.domain = domain
        self.by_storage: dict[Stored, list[tuple[float, Row]]] = defaultdict(list)

    def note(self, row: Row, stored: Stored, most: float) -> None:
        """An image of `row` whose largest value without sign is `most`."""
        self.by_storage[stored].append((most, row))

    def require_one(self, usual: Stored, unit: str) -> None:
        """Raises DataError where images cannot be on the scale of those that are stored as usual, or these fall apart in two scales.

        Where each image is its own measure they have none in common.
        """
        if unit == ARBITRARY:
            return
        most = max((most for most, _ in self.by_storage.get(usual, ())), default=0.0)
        for stored, images in self.by_storage.items():
            largest = max(most for most, _ in images)
            if not same_scale(largest, stored, most, usual):
                others = f"others are {usual.dtype} up to {most:,.4g}"
                raise DataError(self._apart(images[0][1], f"{stored.dtype} up to {largest:,.4g} {unit}", others))
            if not stored.integer and (torn := _torn(images)):
                (low, first), (high, second) = torn
                others = f"others, such as {second.called}, up to {high:,.4g}"
                raise DataError(self._apart(first, f"{stored.dtype} up to {low:,.4g} {unit}", others))

    def _apart(self, row: Row, seen: str, others: str) -> str:
        key = key_for("unit", self.domain)
        return f"{row.called}: {seen}, {others}, and nothing says how the two scales relate; convert it, or say {key}."


def _torn(images: list[tuple[float, Row]]) -> tuple[tuple[float, Row], tuple[float, Row]] | None:
    """Neighbours in size between which nothing lies though they are `FAINT` times apart: one of each scale, the rarer first."""
    seen = sorted((image for image in images if image[0] > 0), key=lambda image: image[0])
    apart = [high[0] / low[0] for low, high in pairwise(seen)]
    if not apart or max(apart) < FAINT:
        return None
    at = int(np.argmax(apart)) + 1
    if min(at, len(seen) - at) <= max(1, FEW_IMAGES * len(seen)):
        return None
    below, above = seen[at - 1], seen[at]
    return (below, above) if 2 * at <= len(seen) else (above, below)
