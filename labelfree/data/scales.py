"""Whether two sets of images can be on one scale, told from their largest numbers: a unit is believed unless pixels contradict it."""

from __future__ import annotations

from typing import NamedTuple

from labelfree.domain import Row
from labelfree.errors import DataError

MIXED, ALIKE = 20, 200  # times larger or smaller, where nothing relates two types of numbers, and otherwise: beyond, it is another scale


class Stored(NamedTuple):
    """How numbers are stored: their type ("": not told), and the scale and offset a channel that make them physical."""

    dtype: str
    scale: tuple[float, ...] = ()
    offset: tuple[float, ...] = ()


def same_scale(most: float, stored: Stored, others: float, others_stored: Stored) -> bool:
    """Whether images whose largest value (without sign) is `most` can be on the scale of others, both in the unit they claim.

    Images may be dark, and a saturated pixel far above the rest; less is believed where types differ and one scale is claimed for both.
    Nothing but zeros is no evidence.
    """
    if not most or not others:
        return True
    unrelated = bool(stored.dtype and others_stored.dtype) and stored.dtype != others_stored.dtype and stored[1:] == others_stored[1:]
    return others / (MIXED if unrelated else ALIKE) <= most <= others * MIXED


class Scales:
    """The largest number among the images of each way of storing, and one image of it."""

    def __init__(self) -> None:
        self.found: dict[Stored, tuple[float, Row]] = {}

    def note(self, row: Row, stored: Stored, most: float) -> None:
        """An image of `row` whose largest value without sign is `most`."""
        before, first = self.found.get(stored, (0.0, row))
        self.found[stored] = max(before, most), first

    def require_one(self, usual: Stored, unit: str) -> None:
        """Raises DataError where images cannot be on the scale of those that are stored as usual."""
        most, _ = self.found.get(usual, (0.0, None))
        for stored, (largest, row) in self.found.items():
            if not same_scale(largest, stored, most, usual):
                seen = f"{stored.dtype} up to {largest:,.4g} {unit}, others are {usual.dtype} up to {most:,.4g}"
                raise DataError(f"{row.called}: {seen}, and nothing says how the two scales relate; convert it, or say data.unit.")
