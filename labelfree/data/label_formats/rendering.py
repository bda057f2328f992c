"""What each pixel of an image shows of that which is drawn on it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from labelfree.data.label_formats.annotated import AnnotatedImage
from labelfree.data.label_formats.listed import BACKGROUND
from labelfree.data.label_formats.regions import Patch
from labelfree.samples import IGNORE


def render(image: AnnotatedImage, size: tuple[int, int], numbers: Mapping[str, int], outside: int) -> tuple[np.ndarray, np.ndarray]:
    """(height, width) int16: the number of each pixel's class; and int32: 0 for no object, or which object of the image it is, from 1 on.

    `outside`: the number of pixels that nothing is drawn on, where the image knows of these. Later objects lie above earlier ones, and what
    is ignored above all. Of an object of which only a box was drawn nobody knows which pixels of it are its: `IGNORE`, below all others.
    """
    frame = (0, 0, *size)
    known = image.outside == "background"
    classes = np.full(size, outside if known else IGNORE, np.int16)
    objects = np.full(size, 0 if known and outside != IGNORE else IGNORE, np.int32)
    for region in image.unknown:
        _ignore(region.patch(frame), classes, objects)
    ordered = sorted(enumerate(image.objects, start=1), key=lambda each: not each[1].boxed)
    for number, each in ordered:
        patch = each.region.patch(frame)
        classes[patch.place][patch.pixels] = IGNORE if each.boxed else numbers.get(each.name, IGNORE)
        objects[patch.place][patch.pixels] = IGNORE if each.boxed else number * (each.name != BACKGROUND)
    for region in image.ignored:
        _ignore(region.patch(frame), classes, objects)
    return classes, objects


def _ignore(patch: Patch, *pictures: np.ndarray) -> None:
    for picture in pictures:
        picture[patch.place][patch.pixels] = IGNORE
