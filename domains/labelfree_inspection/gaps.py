"""The number that height maps hold where nothing was measured, where no file says it: one and the same, far below all that was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from labelfree.domain import Default

if TYPE_CHECKING:
    import numpy as np

FAR = 2  # times the range of all other numbers of its image, that it lies below them
FEWEST = 2  # images that hold it


class Lowest(NamedTuple):
    """The lowest number of an image that lies far below its others, and the share of pixels that hold it."""

    number: float
    share: float


def far_lowest(data: np.ndarray) -> Lowest | None:
    """None where the lowest of an image's numbers is one of many; single pixels may be faults of a sensor, and stand for nothing."""
    import numpy as np

    numbers = data[np.isfinite(data)]
    if numbers.size == 0:
        return None
    lowest = numbers.min()
    others = numbers[numbers > lowest]
    share = 1 - others.size / numbers.size
    if others.size == 0 or numbers.size - others.size < 2:
        return None
    least, most = float(others.min()), float(others.max())
    return Lowest(float(lowest), share) if least - float(lowest) > FAR * (most - least) else None


def settled_gap(images: Sequence[Lowest | None]) -> Mapping[str, Default]:
    """`reader.nodata`, where all images that have a number far below their others have the same."""
    lowest = [image for image in images if image is not None]
    if len(lowest) < FEWEST or len({image.number for image in lowest}) > 1:
        return {}
    share = sum(image.share for image in lowest) / len(lowest)
    held = f"{len(lowest)} of {len(images)} images looked at hold it in {share:.1%} of their pixels, far below all others"
    return {"nodata": Default(lowest[0].number, f"{held}; it is taken for no measurement")}
