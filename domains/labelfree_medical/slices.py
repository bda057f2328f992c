"""Which slices of a volume are read as pictures, and how a row's key names one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from labelfree_medical.files import frame_file
from labelfree_medical.orientation import upright_volume
from labelfree_medical.planes import Plane, axis_across
from labelfree_medical.stored import ImageFiles, Stored


class Slice(NamedTuple):
    """One slice of a volume: the `number`-th of `total` at equal distances across a plane, from the lowest, hindmost or left on."""

    plane: Plane
    number: int
    total: int

    def __str__(self) -> str:
        return f"{self.plane}-{self.number + 1:0{len(str(self.total))}d}-of-{self.total}"

    @classmethod
    def of(cls, text: str) -> Slice:
        """What `str` gave. Raises ValueError."""
        plane, number, _, count = text.split("-")
        return cls(plane, int(number) - 1, int(count))  # type: ignore[arg-type]

    def at(self, depth: int) -> int:
        """Its place among the slices of a volume that has so many, the middle of its share of them."""
        return int((self.number + 0.5) * depth / self.total)


def slices_across(image: ImageFiles, plane: Plane, most: int | Literal["all"], read: Callable[[ImageFiles], Stored]) -> list[Slice]:
    """At most `most` slices of a volume. `read`: the volume as RAS+, asked where no header tells."""
    deep = _depth(image, plane, read)
    count = deep if most == "all" else min(most, deep)
    return [Slice(plane, number, count) for number in range(count)]


def _depth(image: ImageFiles, plane: Plane, read: Callable[[ImageFiles], Stored]) -> int:
    """How many slices a volume has across a plane."""
    from labelfree_medical.dicom import frame_dicom

    frame = frame_file(image)
    if frame is None and len(image.files) > 1 and not image.channels:
        frame = frame_dicom(image)
    volume = read(image) if frame is None else upright_volume(frame)[0]
    return int(volume.data.shape[1 + axis_across(volume, plane)])
