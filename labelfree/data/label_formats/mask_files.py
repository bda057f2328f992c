"""Masks as files: a folder of them beside the images, and what their numbers say of each image."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from labelfree.data.label_formats.annotated import AnnotatedImage, AnnotatedObject, State
from labelfree.data.label_formats.listed import BACKGROUND, ListedImage
from labelfree.data.label_formats.mask_numbers import MaskNumbers
from labelfree.data.label_formats.matching import Images, match
from labelfree.data.label_formats.regions import Region, Runs, union
from labelfree.data.masks import MaskCounts, mapped
from labelfree.data.structure import MASKS
from labelfree.errors import DataError
from labelfree.samples import Row

MOST_NUMBERS = 1 << 16  # of one mask; a photo in its place holds more colours

DRESS = "|".join(sorted(MASKS, key=len, reverse=True))


def rows_of_masks(masks: Sequence[Path], folder: Path, images: Sequence[Row], root: Path) -> tuple[list[Row], list[str]]:
    """A row of every image, with its mask where the folder holds one: by its stem, or by that without `mask` before or behind it.

    Also sentences on masks of no image, or of several.
    """
    listed = [ListedImage(_inside(mask, folder), f"{folder.name}/{_inside(mask, folder)}", other_name=_undressed(mask)) for mask in masks]
    dressed = set(masks)
    own = dict.fromkeys(row.path for row in images if row.path not in dressed)
    files, faults = match(listed, Images(own, root))
    masked = {path: str(masks[place]) for place, path in files.items()}
    return [replace(row, mask=masked.get(row.path)) for row in images if row.path in own], faults


def _inside(mask: Path, folder: Path) -> str:
    return mask.relative_to(folder).as_posix()


def _undressed(mask: Path) -> str:
    """The name of the image that `07_mask.png` or `mask_07.png` belongs to."""
    stem = re.sub(rf"^(?:{DRESS})[\W_]+|[\W_]+(?:{DRESS})$", "", mask.stem, flags=re.IGNORECASE)
    return f"{stem}{mask.suffix}"


@dataclass(frozen=True)
class NumberedMask:
    """A mask as it is read once, before it is known what its numbers stand for. `runs`: the pixels of each number; none of a photo's."""

    path: str
    size: tuple[int, int]
    counts: MaskCounts
    runs: Mapping[int, Runs]

    @classmethod
    def of(cls, row: Row, numbers: np.ndarray) -> NumberedMask:
        """Raises `DataError` for one of a volume."""
        from scipy import ndimage

        if numbers.ndim != 2:
            raise DataError(f"{row.mask}: has {numbers.ndim} axes; what is drawn is shown of pictures.")
        height, width = numbers.shape
        counts, runs = MaskCounts.of(numbers), dict[int, Runs]()
        there = {number: rank for rank, number in enumerate(map(int, np.unique(numbers)), start=1)}
        if len(there) < MOST_NUMBERS:
            boxes = ndimage.find_objects(mapped(numbers, there.__getitem__))
            for number, (down, across) in zip(there, boxes, strict=True):
                runs[number] = Runs.at(numbers[down, across] == number, across.start, down.start, height, width)
        return cls(str(row.mask), (height, width), counts, runs)


def masked_image(row: Row, mask: NumberedMask, numbers: MaskNumbers) -> AnnotatedImage:
    """An image with what its mask says: its objects where numbers tell them apart, else all that it marks of each class (`areas`).

    An image whose mask marks nothing is a negative. Raises `DataError` for a mask in colours that nobody named.
    """
    if mask.path in numbers.faults:
        raise DataError(numbers.faults[mask.path])
    marked, ignored = defaultdict[str, list[Runs]](list), list[Region]()
    for number, runs in mask.runs.items():
        name = numbers.name(number)
        if name is None:
            ignored.append(runs)
        elif name != BACKGROUND:
            marked[name].append(runs)
    each = [_area(name, runs) for name, of in marked.items() for runs in of]
    whole = [_area(name, of[0] if len(of) == 1 else Runs.of(union(of, *mask.size))) for name, of in marked.items()]
    state: State = "objects" if each or ignored else "negative"
    image = AnnotatedImage(row.id, row.path, state, mask.size, ignored=tuple(ignored), split=row.split)
    return replace(image, objects=tuple(each)) if numbers.instances else replace(image, areas=tuple(whole))


def _area(name: str, runs: Runs) -> AnnotatedObject:
    box = runs.box
    assert box is not None
    return AnnotatedObject(name, box, runs)
