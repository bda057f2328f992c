"""Small objects on large images: tiles that suit them, and what a recipe shrinks until it cannot be seen."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np

from labelfree.data.object_sizes import LEAST, ObjectSizes
from labelfree.data.tiles import SIDE, by
from labelfree.domain import Default, Size, sides
from labelfree.planning.costs import LARGEST_VIEW, input_sizes

SQUEEZED = 4  # pixels along an image that become one for a network, from which on it is told
TIMES = 4  # the long side of nine objects in ten, that a tile is long: an object lies whole in one of two that overlap by a quarter
SMALLEST, LARGEST, STEP = 128, 512, 32  # sides of tiles; whole strides of a network


def tile_for(objects: ObjectSizes, shapes: Sequence[tuple[int, ...]], auto: Size | None) -> Default | None:
    """The tiles that images of these spatial sizes are cut into at their own resolution, by the objects on them; None where none is
    known, where these are no pictures, and where whole images of one size (no `auto` tile) lose none of them.
    """
    if not len(objects) or any(len(shape) != 2 for shape in shapes):
        return None
    if auto is None and lost_in_pretraining(objects, view_of(min(map(min, shapes))), None) is None:
        return None
    usual = float(np.quantile(objects.along, 0.9))
    side = int(np.clip(ceil(TIMES * usual / STEP) * STEP, SMALLEST, LARGEST))
    why = f"{TIMES} times what nine objects in ten are long ({usual:.3g} px), {SMALLEST} to {LARGEST}"
    room = max(STEP, max(map(min, shapes)) // STEP * STEP)
    if room < side:
        side, why = room, f"{why}, no longer than images are across"
    shown = next((each for each in range(side, SMALLEST - 1, -STEP) if lost_in_pretraining(objects, view_of(each), each) is None), side)
    if shown < side:
        side, why = shown, f"{why}, less where views would show it smaller"
    return Default(side, f"at the images' own resolution, for the smallest object is {objects.smallest}; {why}")


def tile_for_classes(objects: ObjectSizes, shapes: Sequence[tuple[int, ...]], suited: Default | None) -> Default | None:
    """The tiles that a comparison by classes of whole pictures looks at them in: those that are `suited` to the objects on them, where
    shrunk pictures would lose one; None where none is lost or known, and where these are no pictures.
    """
    if suited is None or lost_in_comparison(objects, largest_input(shapes), None) is None:
        return None
    return Default(suited.value, f"pictures shrunk to {largest_input(shapes)} px would lose the smallest object, {objects.smallest}")


def largest_input(shapes: Sequence[tuple[int, ...]]) -> int:
    """The largest input size that `evaluate.sizes: auto` offers for pictures of these sizes."""
    return max(input_sizes(sorted(map(min, shapes))[len(shapes) // 2]))


def view_of(side: int) -> int:
    """The size of a view that `pretrain.size: auto` takes for images or tiles with this shorter side."""
    return max(STEP, min(LARGEST_VIEW[2], side // STEP * STEP))


def lost_in_pretraining(objects: ObjectSizes, view: Size, tile: Size | None) -> str | None:
    """What to say where views of `view` pixels show `tile`s, or whole images, so small that a labelled object falls below LEAST pixels."""
    way = "cut tiles no larger than views, with pool.tile and pretrain.size"
    return _lost(objects, max(sides(view, 2)), tile, "pretrain.size: views show", way)


def lost_in_comparison(objects: ObjectSizes, size: int, tile: Size | None) -> str | None:
    """The same of the largest input size that arms may choose, along the longest side."""
    tiled = "" if tile is not None else ", or have pictures looked at in tiles at their own resolution (evaluate.tile)"
    return _lost(objects, size, tile, "evaluate.sizes: networks see", f"name larger sizes{tiled}")


def squeezed(shapes: Sequence[tuple[int, ...]], size: int) -> str | None:
    """What to say of whole images of these spatial sizes, on which nothing is drawn, where networks see at most `size` px a side."""
    shape = sorted(shapes, key=max)[len(shapes) // 2]
    times = max(shape) / size
    if len(shape) != 2 or times <= SQUEEZED:
        return None
    return (
        f"evaluate.sizes: networks see whole images of {by(shape)} pixels at {size} px a side at most, where {times:.0f} px along become "
        f"one and what is shorter than {LEAST * times:.0f} px may be lost: where classes differ in something small, "
        f"evaluate.tile={SIDE[2]} looks at them in tiles at their own resolution."
    )


def _lost(objects: ObjectSizes, size: int, tile: Size | None, shows: str, way: str) -> str | None:
    if not len(objects):
        return None
    at, after = objects.shrunk(size, None if tile is None else max(sides(tile, 2)))
    before = objects.across[at]
    if after >= min(LEAST, before):
        return None
    what = "whole images" if tile is None else f"{by(tile)} pixels"
    name = objects.images[at]
    return (
        f"{shows} {what} at {size} px, where the smallest labelled object, {before:.3g} px across ({name}), has {after:.1f} px; below "
        f"{LEAST} px it may be lost: {way}."
    )
