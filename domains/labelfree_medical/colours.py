"""Gray and coloured images in one set: colours as gray, or gray as colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from labelfree_medical.amounts import with_one_scale
from labelfree_medical.stored import Stored

if TYPE_CHECKING:
    import numpy as np

COLOURS = ("red", "green", "blue")
LUMA = (0.299, 0.587, 0.114)  # of red, green and blue: ITU-R BT.601, as Pillow and DICOM's YBR have it


def rgb_positions(channels: Sequence[str]) -> tuple[int, int, int] | None:
    """Where red, green and blue stand; None where they are not named."""
    names = [str(name).lower() for name in channels]
    return tuple(map(names.index, COLOURS)) if set(COLOURS) <= set(names) else None  # type: ignore[return-value]


def in_gray(stored: Stored) -> Stored:
    """One channel in place of red, green and blue, whole numbers rounded; anything else stays."""
    import numpy as np

    if stored.channels != COLOURS:
        return stored
    stored = with_one_scale(stored)
    if len({*stored.scale}) > 1 or len({*stored.offset}) > 1:
        return stored
    light: np.ndarray = np.tensordot(LUMA, stored.data.astype(np.float64), 1)
    data = (light if stored.data.dtype.kind == "f" else np.rint(light)).astype(stored.data.dtype)
    return replace(stored, data=data[None], channels=("gray",), scale=stored.scale[:1], offset=stored.offset[:1])


def in_colour(stored: Stored) -> Stored:
    """The one channel of a gray image as red, green and blue; anything else stays."""
    import numpy as np

    if stored.channels != ("gray",):
        return stored
    return replace(
        stored, data=np.repeat(stored.data, 3, axis=0), channels=COLOURS, scale=(*stored.scale,) * 3, offset=(*stored.offset,) * 3
    )
