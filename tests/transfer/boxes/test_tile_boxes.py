"""Boxes cut to tiles: what is learned where."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelfree.data.boxes import Boxes
from labelfree.transfer.boxes.tile_boxes import mirrored, on_tile
from labelfree.transfer.tiles.tiling import Tiling

WHOLE = ((0, 0), (64, 64), (64, 64))
BOX = st.tuples(st.integers(0, 150), st.integers(0, 120), st.integers(1, 150), st.integers(1, 120))


def boxed(*corners: tuple[float, float, float, float], ignored: bool = False) -> Boxes:
    return Boxes.of(corners, [0] * len(corners), [ignored] * len(corners))


def test_a_whole_image_keeps_its_boxes() -> None:
    drawn = boxed((1, 2, 30, 40), (0, 0, 64, 64))
    cut = on_tile(drawn, *WHOLE)
    np.testing.assert_array_equal(cut.corners, drawn.corners)
    assert not cut.ignored.any()


def test_a_rim_is_neither_object_nor_background() -> None:
    drawn = boxed((50, 10, 90, 30), (60, 40, 100, 60))  # 14 of 40 pixels show, then 4
    left = on_tile(drawn, (0, 0), (64, 64), (64, 128))
    assert left.ignored.tolist() == [True, True] and left.corners[:, 2].tolist() == [64, 64]
    right = on_tile(drawn, (0, 64), (64, 64), (64, 128))
    assert right.ignored.tolist() == [False, False]
    np.testing.assert_array_equal(right.corners[0], [0, 10, 26, 30])


def test_what_is_longer_than_a_tile_is_learned_from_those_full_of_it() -> None:
    road = boxed((10, 20, 900, 40))
    tiling = Tiling((256, 256), ((256, 1000),))
    cut = [on_tile(road, corner, tiling.side, tiling.shapes[0]) for corner in tiling.corner.tolist()]
    assert [len(each.objects) for each in cut] == [1] * len(tiling)


@pytest.mark.parametrize("side", [32, 64, 256])
@pytest.mark.parametrize("share", [0.7, 0.9, 1.0, 1.2, 1.6])
def test_an_object_about_as_large_as_a_tile_is_learned_wherever_it_lies(side: int, share: float) -> None:
    """Where four tiles meet amid it, none shows half of it."""
    extent = 4 * side - 24
    tiling, size = Tiling((side, side), ((extent, extent),)), share * side
    for first in np.linspace(0, extent - size, 40):
        drawn = boxed((first, first, first + size, first + size))
        assert any(len(on_tile(drawn, corner, tiling.side, (extent, extent)).objects) for corner in tiling.corner.tolist())


def test_what_lies_outside_a_small_image_is_ignored() -> None:
    cut = on_tile(boxed((0, 0, 20, 30)), (-10, -22), (64, 64), (44, 20))
    np.testing.assert_array_equal(cut.objects.corners, [[22, 10, 42, 40]])
    covered = np.zeros((64, 64), bool)
    for left, top, right, bottom in cut.corners[cut.ignored].astype(int).tolist():
        covered[top:bottom, left:right] = True
    inside = np.zeros((64, 64), bool)
    inside[10:54, 22:42] = True
    np.testing.assert_array_equal(covered, ~inside)


@given(st.lists(BOX, max_size=5))
def test_every_object_is_learned_from_some_tile(boxes: list[tuple[int, int, int, int]]) -> None:
    extent = (240, 300)
    drawn = boxed(*((left, top, left + width, top + height) for left, top, width, height in boxes))
    tiling = Tiling((64, 64), (extent,))
    learned = np.zeros(len(drawn), bool)
    for corner in tiling.corner.tolist():
        for at in range(len(drawn)):
            alone = drawn[np.array([at])]
            cut = on_tile(alone, corner, tiling.side, extent)
            assert (cut.corners[:, :2] >= 0).all() and (cut.corners[:, 2:] <= 64).all() and (cut.corners[:, 2:] > cut.corners[:, :2]).all()
            learned[at] |= len(cut.objects) > 0
    assert learned.all()


@given(st.lists(BOX, max_size=5))
def test_a_mirror_image_mirrored_is_itself(boxes: list[tuple[int, int, int, int]]) -> None:
    drawn = boxed(*((left, top, left + width, top + height) for left, top, width, height in boxes))
    turned = mirrored(drawn, 300)
    np.testing.assert_array_equal(mirrored(turned, 300).corners, drawn.corners)
    np.testing.assert_array_equal(turned.corners[:, 0], 300 - drawn.corners[:, 2])
    assert (turned.corners[:, 2:] >= turned.corners[:, :2]).all()
