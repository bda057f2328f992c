"""Whether two sets of images can be on one scale, told from their largest numbers: a unit is believed unless pixels contradict it."""

from __future__ import annotations

from labelfree.domain import Row
from labelfree.errors import DataError

MIXED, ALIKE = 20, 200  # times larger or smaller, between types of numbers and within one: beyond, it is another scale


def same_scale(most: float, dtype: str, others: float, others_dtype: str) -> bool:
    """Whether images whose largest value (without sign) is `most` can be on the scale of others, both in the unit they claim.

    Images may be dark, and a saturated pixel far above the rest; where types differ, real numbers from integers, less is believed.
    An empty dtype: not told. Nothing but zeros: no evidence.
    """
    if not most or not others:
        return True
    darker = MIXED if dtype and others_dtype and dtype != others_dtype else ALIKE
    return others / darker <= most <= others * MIXED


class Scales:
    """The largest number among the images of each stored type, and one image of it."""

    def __init__(self) -> None:
        self.found: dict[str, tuple[float, Row]] = {}

    def note(self, row: Row, dtype: str, most: float) -> None:
        """An image of `row`, stored as `dtype`, whose largest value without sign is `most`."""
        before, first = self.found.get(dtype, (0.0, row))
        self.found[dtype] = max(before, most), first

    def require_one(self, dtype: str, unit: str) -> None:
        """Raises DataError where images of one type cannot be on the scale of those stored as `dtype`."""
        most, _ = self.found.get(dtype, (0.0, None))
        for other, (largest, row) in self.found.items():
            if not same_scale(largest, other, most, dtype):
                seen = f"{other} up to {largest:,.4g} {unit}, others are {dtype} up to {most:,.4g}"
                raise DataError(f"{row.called}: {seen}, and nothing says how the two scales relate; convert it, or say data.unit.")
