"""Tiles of one size out of images of any."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from labelfree.data.tiles import BORDER, Cut, starts


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
