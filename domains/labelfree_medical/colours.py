"""Gray and coloured images in one set: colours as gray, or gray as colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from labelfree.domain import Default
from labelfree_medical.amounts import with_one_scale
from labelfree_medical.stored import Stored

if TYPE_CHECKING:
    import numpy as np

COLOURS = ("red", "green", "blue")
GRAY = ("gray",)
LUMA = (0.299, 0.587, 0.114)  # of red, green and blue: ITU-R BT.601, as Pillow and DICOM's YBR have it


def rgb_positions(channels: Sequence[str]) -> tuple[int, int, int] | None:
    """Where red, green and blue stand; None where they are not named."""
    names = [str(name).lower() for name in channels]
    return tuple(map(names.index, COLOURS)) if set(COLOURS) <= set(names) else None  # type: ignore[return-value]


def uniting(channels: Mapping[tuple[str, ...], int], colour: str) -> Mapping[str, Default]:
    """`reader.colour` where images are gray and coloured pictures that nothing makes one set yet; nothing else unites channels."""
    gray = sum(count for held, count in channels.items() if len(held) == 1)
    coloured = channels.get(COLOURS, 0)
    if colour != "stored" or not gray or not coloured or gray + coloured < sum(channels.values()):
        return {}
    mixed = f"{gray} of {gray + coloured} images looked at are gray, the others coloured"
    return {"colour": Default("rgb", f"{mixed}; gray as three equal channels loses nothing, colours as gray would")}


def in_gray(stored: Stored) -> Stored:
    """A picture of one channel, called gray, in place of red, green and blue, whole numbers rounded; anything else stays."""
    import numpy as np

    if _is_gray(stored):
        return replace(stored, channels=GRAY)
    if stored.channels != COLOURS:
        return stored
    stored = with_one_scale(stored)
    if len({*stored.scale}) > 1 or len({*stored.offset}) > 1:
        return stored
    light: np.ndarray = np.tensordot(LUMA, stored.data.astype(np.float64), 1)
    data = (light if stored.data.dtype.kind == "f" else np.rint(light)).astype(stored.data.dtype)
    return replace(stored, data=data[None], channels=GRAY, scale=stored.scale[:1], offset=stored.offset[:1])


def in_colour(stored: Stored) -> Stored:
    """The one channel of a gray picture as red, green and blue; anything else stays."""
    import numpy as np

    if not _is_gray(stored):
        return stored
    data, scale, offset = np.repeat(stored.data, 3, axis=0), (*stored.scale,) * 3, (*stored.offset,) * 3
    return replace(stored, data=data, channels=COLOURS, scale=scale, offset=offset)


def _is_gray(stored: Stored) -> bool:
    """Whether it is a picture of one channel, whatever made it: a DICOM film's is called by its modality."""
    return len(stored.channels) == 1 and stored.data.ndim == 3
