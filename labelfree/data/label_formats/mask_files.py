"""Masks as files: a folder of them beside the images, and what their numbers say of each image."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from labelfree.data.label_formats.annotated import AnnotatedImage, AnnotatedObject, State
from labelfree.data.label_formats.listed import ListedImage
from labelfree.data.label_formats.mask_numbers import MaskNumbers
from labelfree.data.label_formats.matching import Images, match
from labelfree.data.label_formats.regions import Region, Runs
from labelfree.data.masks import read_numbers, require_size
from labelfree.data.structure import MASKS
from labelfree.samples import Row, Sample

DRESS = "|".join(sorted(MASKS, key=len, reverse=True))


def rows_of_masks(masks: Sequence[Path], folder: Path, images: Sequence[Row], root: Path) -> tuple[list[Row], list[str]]:
    """A row of every image, with its mask where the folder holds one: by its stem, or by that without `mask` before or behind it.

    Also sentences on masks of no image, or of several.
    """
    listed = [ListedImage(_inside(mask, folder), f"{folder.name}/{_inside(mask, folder)}", other_name=_undressed(mask)) for mask in masks]
    dressed = set(masks)
    own = {row.path: row for row in images if row.path not in dressed}
    files, faults = match(listed, Images(own, root))
    masked = {path: str(masks[place]) for place, path in files.items()}
    return [replace(row, mask=masked.get(path)) for path, row in own.items()], faults


def _inside(mask: Path, folder: Path) -> str:
    return mask.relative_to(folder).as_posix()


def _undressed(mask: Path) -> str:
    """The name of the image that `07_mask.png` or `mask_07.png` belongs to."""
    stem = re.sub(rf"^(?:{DRESS})[\W_]+|[\W_]+(?:{DRESS})$", "", mask.stem, flags=re.IGNORECASE)
    return f"{stem}{mask.suffix}"


def masked_image(row: Row, size: tuple[int, int], numbers: MaskNumbers, read: Callable[[Row], Sample]) -> AnnotatedImage:
    """An image with what its mask says of each class, all of it together: `areas`. An image whose mask marks nothing is a negative.

    Raises DataError for a mask that is broken, or of another size.
    """
    mask = read_numbers(Path(str(row.mask)), read)
    require_size(str(row.mask), mask, size, row.id)
    areas = []
    for number, name in numbers.names.items():
        pixels = mask == number
        if pixels.any():
            areas.append(_area(name, pixels))
    unknown = np.isin(mask, list(numbers.ignored))
    ignored: tuple[Region, ...] = (Runs.of(unknown),) if unknown.any() else ()
    state: State = "objects" if areas or ignored else "negative"
    return AnnotatedImage(row.id, row.path, state, size, ignored=ignored, areas=tuple(areas), split=row.split)


def _area(name: str, pixels: np.ndarray) -> AnnotatedObject:
    runs = Runs.of(pixels)
    box = runs.box
    assert box is not None
    return AnnotatedObject(name, box, runs)
