"""Equal values are found however they are stored, and no others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labelfree.data.same_values import groups_of_copies, same_values, trace
from labelfree.domain import Sample


def sample(data: np.ndarray, scale: float = 1.0, offset: float = 0.0, measured: np.ndarray | None = None) -> Sample:
    count = len(data)
    there = None if measured is None else torch.from_numpy(measured)
    return Sample(torch.from_numpy(data), tuple(map(str, range(count))), (scale,) * count, (offset,) * count, "reflectance", measured=there)


def images() -> Any:
    return st.builds(
        lambda seed, shape, low, width: np.random.default_rng(seed).integers(low, low + width, shape),
        st.integers(0, 2**16),
        st.sampled_from([(1, 8, 8), (3, 16, 12), (4, 32, 32), (13, 64, 64), (2, 5, 6, 7)]),
        st.integers(1, 3000),
        st.integers(1, 5000),
    )


def stored(numbers: np.ndarray, way: str) -> Sample:
    """Reflectance × 10000 in one of the ways in which it is stored."""
    return {
        "uint16": lambda: sample(numbers.astype("uint16"), 1e-4),
        "int16": lambda: sample(numbers.astype("int16"), 1e-4),
        "int32": lambda: sample(numbers.astype("int32"), 1e-4),
        "offset": lambda: sample((numbers + 1000).astype("uint16"), 1e-4, -0.1),
        "float32": lambda: sample((numbers / 1e4).astype("float32")),
        "float64": lambda: sample(numbers / 1e4),
        "numbers": lambda: sample(numbers.astype("float32"), 1e-4),
    }[way]()


WAYS = ("uint16", "int16", "int32", "offset", "float32", "float64", "numbers")


@given(images(), st.sampled_from(WAYS), st.sampled_from(WAYS))
@settings(max_examples=60, deadline=None)
def test_equal_values_however_they_are_stored(numbers: np.ndarray, one: str, other: str) -> None:
    assert same_values(trace(stored(numbers, one))[None], trace(stored(numbers, other))[None]) == [(0, 0)]


@pytest.mark.parametrize("together", [1, 7 * 16, 1000])
def test_large_images_are_looked_at_in_parts(together: int, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = np.random.default_rng(0).integers(1, 3000, (2, 23, 7, 16))
    measured = np.random.default_rng(1).random((23, 7, 16)) > 0.2
    whole = trace(sample(numbers.astype("int16"), 1e-4, -0.1, measured))
    monkeypatch.setattr("labelfree.data.same_values.TOGETHER", together)
    np.testing.assert_allclose(trace(sample(numbers.astype("int16"), 1e-4, -0.1, measured)), whole, rtol=1e-9)


@given(images(), st.sampled_from(WAYS), st.data())
@settings(max_examples=60, deadline=None)
def test_a_change_of_one_pixel_is_another_image(numbers: np.ndarray, way: str, data: Any) -> None:
    at = tuple(data.draw(st.integers(0, side - 1)) for side in numbers.shape)
    changed = numbers.copy()
    changed[at] += 1 + round(0.02 * changed.max())  # far above rounding, far below what a person sees
    assert same_values(trace(stored(numbers, "uint16"))[None], trace(stored(changed, way))[None]) == []


def test_what_fills_gaps_makes_no_difference() -> None:
    numbers = np.random.default_rng(0).integers(1, 4000, (3, 16, 16)).astype("int16")
    gap = np.ones((16, 16), dtype=bool)
    gap[:5] = False
    one, other = (np.where(gap, numbers, filling).astype("int16") for filling in (0, 77))
    assert same_values(trace(sample(one, measured=gap))[None], trace(sample(other, measured=gap))[None]) == [(0, 0)]
    assert same_values(trace(sample(one))[None], trace(sample(other))[None]) == []


@pytest.mark.parametrize("turned", [lambda x: x[:, ::-1], lambda x: x[:, :, ::-1], lambda x: x[::-1], lambda x: x.transpose(0, 2, 1)])
def test_the_same_numbers_in_another_order_are_another_image(turned: Any) -> None:
    numbers = np.random.default_rng(0).integers(1, 4000, (3, 16, 16)).astype("int16")
    assert same_values(trace(sample(numbers))[None], trace(sample(np.ascontiguousarray(turned(numbers))))[None]) == []


def test_copies_come_in_groups() -> None:
    numbers = [np.random.default_rng(seed).integers(1, 4000, (3, 8, 8)) for seed in (0, 1, 0, 2, 1, 0)]
    ways = ("uint16", "int16", "offset", "float32", "float64", "numbers")
    assert groups_of_copies(np.array([trace(stored(x, way)) for x, way in zip(numbers, ways, strict=True)])) == [[0, 2, 5], [1, 4]]
