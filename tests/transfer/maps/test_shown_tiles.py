"""Of large pictures most tiles show no object: those that do are learned from often enough, and padding teaches nothing."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest

from labelfree.domain import IGNORE
from labelfree.transfer.maps.learning import Learn
from labelfree.transfer.maps.training import MapTraining
from labelfree.transfer.tiles.features import Tiles
from labelfree.transfer.tiles.tiling import Tiling


def learn_of(*shapes: tuple[int, int], side: int = 32) -> Learn:
    """Images with one object of 4 x 4 pixels in the last corner."""
    masks = [np.zeros(shape, np.int16) for shape in shapes]
    for mask in masks:
        mask[-4:, -4:] = 1
    tiles = Tiles(cast(Any, None), Tiling((side, side), shapes))
    return Learn(
        network=None, maps=cast(Any, None), all_tiles=tiles, mask_of=lambda image: masks[image], objects=[1], images=np.arange(len(shapes)),
        width=2, size=side, steps=None, seed=0,
    )  # fmt: skip


def learned(learn: Learn) -> np.ndarray:
    return MapTraining.learned_tiles(cast(Any, None), learn)


def shown(learn: Learn, tiles: np.ndarray) -> np.ndarray:
    return (learn.masks(tiles, np.zeros(len(tiles), bool)) == 1).flatten(1).any(1).numpy()


def test_tiles_with_objects_of_large_pictures_are_a_third() -> None:
    learn = learn_of((64, 900), (40, 500))
    tiles = learned(learn)
    assert shown(learn, learn.tiles).mean() < 0.1 and 1 / 3 <= shown(learn, tiles).mean() < 0.5
    assert set(tiles.tolist()) == set(learn.tiles.tolist())  # none is left out


def test_pictures_that_are_a_tile_each_count_once() -> None:
    learn = learn_of((32, 32), (20, 30))
    assert learned(learn).tolist() == learn.tiles.tolist()


@pytest.mark.parametrize("shape", [(20, 30), (64, 900), (1, 33)])
def test_padding_is_no_class_and_every_pixel_lies_in_a_tile(shape: tuple[int, int]) -> None:
    learn = learn_of(shape)
    tiling, seen = learn.all_tiles.tiling, np.zeros(shape, bool)
    masks = learn.masks(learn.tiles, np.zeros(len(learn.tiles), bool)).numpy()
    for mask, (top, left) in zip(masks, tiling.corner.tolist(), strict=True):
        down, across = np.indices(mask.shape)
        inside = (down + top >= 0) & (down + top < shape[0]) & (across + left >= 0) & (across + left < shape[1])
        np.testing.assert_array_equal(mask != IGNORE, inside)
        seen[(down + top)[inside], (across + left)[inside]] = True
    assert seen.all()
