"""What a set of pictures settles of how its files are read: the depth of its camera, whether gray among colours is one, and its gaps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from labelfree.domain import Default, Sample
from labelfree_inspection.colours import AS_COLOURS
from labelfree_inspection.depth import STORED, settled_depth
from labelfree_inspection.files.picture import COLOURS
from labelfree_inspection.gaps import Lowest, far_lowest, settled_gap
from labelfree_inspection.settings import BITS, TURNED, Reader

if TYPE_CHECKING:
    import numpy as np

    from labelfree.data.depth import Bits


def settled(samples: Iterable[Sample], reader: Reader) -> Mapping[str, Default]:
    """Keys that `reader` leaves open. Of sets that are mostly of 8 bits, or of real numbers, no depth: 8 bits are 8."""
    deep: list[Bits] = []
    told: set[int] = set()
    lowest: list[Lowest | None] = []
    seen = coloured = stored_so = 0
    negative = False  # then they are heights, or differences
    for sample in samples:
        seen += 1
        coloured += sample.channels == COLOURS
        stored_so += sample.channels == COLOURS or AS_COLOURS in sample.notes
        pixels = sample.data.numpy()
        pixels = pixels.dtype.type(int(sample.tags[TURNED])) - pixels if TURNED in sample.tags else pixels  # as they are stored
        if pixels.dtype.kind in "fi" and reader.nodata is None:
            lowest.append(far_lowest(pixels))
        negative |= pixels.dtype.kind == "i" and int(pixels.min()) < 0
        if (bits := _of_a_camera(pixels)) is not None:
            deep.append(bits)
            told |= {int(sample.tags[BITS])} if BITS in sample.tags else set()
    keys = dict(settled_depth(deep, told)) if reader.depth is None and 2 * len(deep) > seen and not negative else {}
    if 2 * len(lowest) > seen:
        keys.update(settled_gap(lowest))
    if reader.colour == "auto" and coloured and stored_so == seen:
        why = f"{coloured} of {seen} images looked at are coloured; one without colours among them keeps its three channels"
        keys["colour"] = Default("stored", why)
    return keys


def _of_a_camera(pixels: np.ndarray) -> Bits | None:
    """The bits in use where more than 8 may be, in a type of any width: LabVIEW, say, writes 12 bits with a sign. None of other numbers."""
    from labelfree.data.depth import bits_of

    if pixels.dtype.kind not in "ui" or pixels.dtype.itemsize == 1 or pixels.min() < 0 or pixels.max() >= 2**STORED:
        return None
    return bits_of(pixels.astype("uint16", copy=False))
