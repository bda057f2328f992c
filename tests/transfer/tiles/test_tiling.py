import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelfree.transfer.maps.prediction import Blend
from labelfree.transfer.tiles.tiling import OVERLAP, Tiling, covering, cut, tent

LENGTHS = st.integers(1, 90)


@given(LENGTHS, st.integers(2, 40))
def test_tiles_show_all_of_an_axis_and_share_a_quarter(length: int, tile: int) -> None:
    first = covering(length, tile)
    seen = np.zeros(length, int)
    for start in first:
        seen[max(0, start) : start + tile] += 1
    assert (seen > 0).all()
    if len(first) > 1:
        assert first[0] == 0 and first[-1] == length - tile
        shared = tile - np.diff(first)
        assert (shared >= np.floor(OVERLAP * tile)).all()
    else:
        assert length <= tile and first[0] <= 0 <= length <= first[0] + tile


@given(st.lists(st.integers(1, 30), min_size=1, max_size=3), st.integers(6, 24), st.integers(0, 2**31))
def test_what_is_cut_and_blended_is_what_was_there(shape: list[int], side: int, seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=(2, *shape)).astype(np.float32)
    tiling = Tiling((side,) * len(shape), (tuple(shape),))
    blend = Blend.empty(2, shape, tiling.side)
    for corner in tiling.corner.tolist():
        blend.add(cut(values, corner, tiling.side), corner)
    np.testing.assert_allclose(blend.mean(), values, rtol=1e-5, atol=1e-5)


def test_padding_is_the_image_mirrored_at_its_edge() -> None:
    row = np.array([[1, 2, 3]])
    np.testing.assert_array_equal(cut(row, [-2], [7]), [[2, 1, 1, 2, 3, 3, 2]])


@pytest.mark.parametrize(
    ("shapes", "side"),
    [
        ([(64, 64)] * 3, (64, 64)),  # small ones of one size are tiles themselves
        ([(100, 40)] * 3, (100, 40)),
        ([(1000, 1000)] * 3, (256, 256)),
        ([(70, 90)] * 9 + [(100, 100)], (96, 96)),  # whole strides that nine in ten nearly fill
        ([(20, 30), (24, 200), (33, 33)] + [(600, 800)] * 5, (128, 128)),  # crops are padded, and do not cut up the others
        ([(64, 6000)] * 5 + [(20, 30)] * 3, (64, 64)),
        ([(3, 5)] * 5 + [(9, 8)] * 5, (32, 32)),
        ([(30, 40, 50)] * 3, (30, 40, 50)),
    ],
)
def test_how_large_tiles_are(shapes: list[tuple[int, ...]], side: tuple[int, ...]) -> None:
    assert Tiling.of(shapes).side == side


def test_tiles_are_numbered_image_after_image() -> None:
    tiling = Tiling((10, 10), ((10, 10), (10, 24), (5, 5)))
    assert tiling.image.tolist() == [0, 1, 1, 1, 2]
    assert tiling.of_images([2, 0]).tolist() == [4, 0]
    assert tiling.corner[4].tolist() == [-3, -3]
    assert len(tiling) == 5


def test_a_tile_counts_most_in_its_middle() -> None:
    weights = tent((8, 8))
    assert weights.max() == weights[3:5, 3:5].min() > weights[0, 0] > 0
    np.testing.assert_allclose(weights, weights[::-1, ::-1])
