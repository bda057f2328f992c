"""Tiles of one size out of images of any."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from labelfree.data.tiles import BORDER, Cut, auto_tile, starts


@given(st.integers(1, 3000), st.integers(8, 300))
def test_tiles_show_all_of_an_axis_but_a_narrow_border(side: int, tile: int) -> None:
    side = max(side, tile)
    shown = np.zeros(side, dtype=bool)
    for first in starts(side, tile):
        assert 0 <= first <= side - tile
        shown[first : first + tile] = True
    assert (~shown).sum() <= BORDER * tile


def test_383_pixels_are_shown_whole_by_tiles_of_256() -> None:
    assert starts(383, 256) == [0, 127] and starts(300, 256) == [0, 44] and starts(512, 256) == [0, 256]


@given(st.integers(3, 40), st.integers(3, 40), st.integers(4, 20), st.integers(0, 999))
def test_pixels_and_mask_are_cut_alike(height: int, width: int, tile: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 9, (2, height, width))
    for part in Cut(tile)(pixels, "a", pixels[0] > 4):
        assert part.pixels.shape == (2, tile, tile) and part.measured is not None
        assert np.array_equal(part.measured, part.pixels[0] > 4)


@given(st.tuples(*[st.integers(2, 14)] * 3), st.tuples(*[st.integers(2, 9)] * 3))
def test_a_volume_is_cut_as_a_picture_is_with_a_side_an_axis(shape: tuple[int, int, int], tile: tuple[int, int, int]) -> None:
    volume = np.arange(np.prod(shape)).reshape(1, *shape)
    tiles = Cut(tile)(volume, "a")
    assert {part.pixels.shape[1:] for part in tiles} == {tile} and len(tiles) == Cut(tile).count(shape)
    for corner, pixels, _ in tiles:
        inside = [np.arange(first, first + side) for first, side in zip(corner, tile, strict=True)]
        known = [(at >= 0) & (at < length) for at, length in zip(inside, shape, strict=True)]
        expected = volume[0][np.ix_(*(at[there] for at, there in zip(inside, known, strict=True)))]
        assert np.array_equal(pixels[0][np.ix_(*known)], expected), "a tile lies where its corner says"


def test_one_slice_of_a_picture_is_cut_as_a_volume_of_that_slice() -> None:
    picture = np.random.default_rng(0).integers(0, 99, (1, 30, 20))
    flat = Cut(12)(picture, "a")
    deep = Cut((1, 12, 12))(picture[:, None], "a")
    for one, other in zip(flat, deep, strict=True):
        assert (0, *one.corner) == other.corner and np.array_equal(one.pixels, other.pixels[:, 0])


def test_tiles_of_volumes_are_as_long_along_every_axis() -> None:
    ragged = [(40, 200, 200), (36, 300, 260), (52, 180, 220)]
    assert auto_tile(ragged) == (36, 96, 96), "no deeper than nine in ten are"
    assert auto_tile([(5, 512, 512), (5, 400, 512)]) == (5, 96, 96), "a thin stack is no reason for small tiles"
    assert auto_tile(ragged, [(5.0, 1.0, 1.0)] * 3) == (19, 96, 96)
    assert auto_tile(ragged, [(5.0, 1.0, 1.0), None, None]) == (36, 96, 96), "nobody knows the spacing"
    small = [(35, 50, 36), (33, 46, 30), (40, 59, 46)]
    assert auto_tile(small) == (33, 46, 30) and auto_tile(small, cubes=True) == 30, "of small ones nearly all"
    assert auto_tile([(100, 100, 100)] * 3) is None and auto_tile([(200, 200, 200)] * 3) == 96
    assert auto_tile([(300, 200)] * 3, [(5.0, 1.0)] * 3) is None, "pictures are cut to squares whatever their pixels measure"
