"""Masks are cut as their images are."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from labelfree.data.masks import cut_mask
from labelfree.data.tiles import Cut
from labelfree.domain import IGNORE


@settings(deadline=None)
@given(st.data(), st.sampled_from([2, 3]))
def test_cutting_image_and_mask_together_is_cutting_the_mask_at_the_images_corners(data: st.DataObject, axes: int) -> None:
    """Padded pixels of an image repeat others, of a mask they are ignored; all others are the same."""
    shape = tuple(data.draw(st.integers(2, 40)) for _ in range(axes))
    tile = tuple(data.draw(st.integers(1, 2 * min(shape) - 1)) for _ in range(axes))
    mask = np.random.default_rng(0).integers(0, 9, shape).astype(np.int32)
    where = np.stack([mask, *np.indices(shape)])
    for corner, pixels, _ in Cut(tile, most=4)(where, "a"):
        part = cut_mask(mask, corner, pixels.shape[1:])
        at = np.indices(part.shape) + np.reshape(corner, (-1, *(1,) * axes))
        padded = ((at < 0) | (at >= np.reshape(shape, (-1, *(1,) * axes)))).any(0)
        assert (part[padded] == IGNORE).all() and np.array_equal(part[~padded], pixels[0][~padded])
        assert np.array_equal(pixels[1:][:, ~padded], at[:, ~padded])
