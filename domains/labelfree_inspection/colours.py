"""Gray stored as colours, and sets that mix gray and coloured pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from labelfree.domain import Default
from labelfree_inspection.files.picture import COLOURS, GRAY, Picture

LUMA = (0.299, 0.587, 0.114)  # of red, green and blue: ITU-R BT.601, as Pillow has it
FEW = 64  # rows and columns looked at before all are: real colours show there
AS_COLOURS = "gray pictures stored as colours (three equal channels) are read as one channel (reader.colour=stored: as three)"


def rgb_positions(channels: Sequence[str]) -> tuple[int, int, int] | None:
    """Where red, green and blue stand, of a single channel that one thrice; None where they are not named."""
    names = [str(name).lower() for name in channels]
    if len(names) == 1:
        return (0, 0, 0)
    return tuple(map(names.index, COLOURS)) if set(COLOURS) <= set(names) else None  # type: ignore[return-value]


def coloured(picture: Picture, colour: str, gray: bool) -> Picture:
    """As `reader.colour` says. `gray`: whether the three channels of its file are equal."""
    if colour == "auto" and picture.channels == COLOURS and gray:
        return replace(picture, data=picture.data[:1], channels=GRAY, notes=(*picture.notes, AS_COLOURS))
    if colour == "gray" and picture.channels == COLOURS:
        return _in_gray(picture)
    if colour == "rgb" and picture.channels == GRAY:
        return replace(picture, data=picture.data.repeat(3, axis=0), channels=COLOURS)
    return picture


def are_equal(picture: Picture) -> bool:
    """Whether red, green and blue of a picture are the same numbers."""
    import numpy as np

    if picture.channels != COLOURS:
        return False
    rows, columns = (max(1, side // FEW) for side in picture.data.shape[1:])
    few = picture.data[:, ::rows, ::columns]
    return bool((few == few[:1]).all()) and all(np.array_equal(channel, picture.data[0]) for channel in picture.data[1:])


def _in_gray(picture: Picture) -> Picture:
    import numpy as np

    red, green, blue = (channel.astype(np.float32) * weight for channel, weight in zip(picture.data, LUMA, strict=True))
    light = red + green + blue
    data = light if picture.data.dtype.kind == "f" else np.rint(light).astype(picture.data.dtype)
    return replace(picture, data=data[None], channels=GRAY)


def uniting(channels: Mapping[tuple[str, ...], int], colour: str) -> Mapping[str, Default]:
    """`reader.colour` where images are gray and coloured pictures that nothing makes one set yet; nothing else unites channels."""
    gray, several = channels.get(GRAY, 0), channels.get(COLOURS, 0)
    if colour not in ("auto", "stored") or not gray or not several or gray + several < sum(channels.values()):
        return {}
    mixed = f"{gray} of {gray + several} images looked at are gray, the others coloured"
    return {"colour": Default("rgb", f"{mixed}; gray as three equal channels loses nothing, colours as gray would")}
