"""The geometry of ground that images share, against polygons of shapely."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from labelfree.data.overlaps import Ground, along, quadrangles, straight
from labelfree.domain import Place

numbers = st.floats(-1, 1).map(lambda x: round(x, 3))


def turned(x: float, y: float, width: float, height: float, angle: float, shear: float = 0.0) -> np.ndarray:
    """A parallelogram, (4, 2)."""
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) / 2 * (width, height)
    corners[:, 0] += shear * corners[:, 1]
    turn = np.array([(np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))])
    return corners @ turn + (x, y)


shapes = st.builds(turned, numbers, numbers, st.floats(0.2, 2), st.floats(0.2, 2), st.sampled_from([0, 0.3, np.pi / 4, np.pi / 2]), numbers)


# Edges on one line, whose corners rounding moves off it.
ON_A_LINE = [
    (turned(0.0, 1.0, 0.625, 1.0, 0.3), turned(0.0, 1.0, *shape), False) for shape in ((0.546875, 1.0, 0.3, 0.5), (0.75, 1.0, 0.3, 0.875))
]


@example(ON_A_LINE)
@given(st.lists(st.tuples(shapes, shapes, st.booleans()), min_size=1, max_size=8))
def test_quadrangles_share_what_shapely_says(pairs: list[tuple[np.ndarray, np.ndarray, bool]]) -> None:
    polygon = pytest.importorskip("shapely").Polygon
    one, other = (np.stack([pair[side][::-1] if pair[2] else pair[side] for pair in pairs]) for side in (0, 1))
    common, first, second = quadrangles(one, other)
    expected = [polygon(a).intersection(polygon(b)).area for a, b in zip(one, other, strict=True)]
    np.testing.assert_allclose(common, expected, atol=1e-9)
    np.testing.assert_allclose(first, [polygon(a).area for a in one])
    np.testing.assert_allclose(second, [polygon(b).area for b in other])


@given(shapes)
def test_a_quadrangle_shares_all_with_itself(shape: np.ndarray) -> None:
    common, first, _ = quadrangles(shape[None], shape[None])
    np.testing.assert_allclose(common, first)


def test_one_huge_place_meets_the_small_ones_inside_it_alone() -> None:
    small = [Place("m", (10.0 * i, 0, 10.0 * i + 10, 10), unit=1.0) for i in range(1000)]
    ground = Ground.of([*small, Place("m", (0, 0, 5000, 5000), unit=1.0)])
    (found,) = ground.sharing(np.array([1000]), np.arange(1000))
    assert set(found[1][found[2] > 0].tolist()) == set(range(500))


def test_batches_hold_every_pair_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ground = Ground.of([Place("m", (10.0 * i, 0, 10.0 * i + 15, 10), unit=1.0) for i in range(50)])
    every = np.arange(50)
    (whole,) = ground.near(every, every, np.full(50, 12.0))
    monkeypatch.setattr("labelfree.data.overlaps.TOGETHER", 7)
    batches = list(ground.near(every, every, np.full(50, 12.0)))
    assert len(batches) > 10 and all((np.concatenate([batch[k] for batch in batches]) == whole[k]).all() for k in (0, 1))
    assert list(ground.near(every, every[:0], np.full(50, 12.0))) == []


@given(st.floats(0, 2e7))
def test_chords_and_distances_are_inverse(distance: float) -> None:
    assert along(straight(np.array(distance))) == pytest.approx(distance, rel=1e-6, abs=1e-3)
