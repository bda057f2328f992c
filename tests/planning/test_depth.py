"""The effective depth of stored integers: cameras write 12 bits into 16, some shifted, and 8-bit pictures are stretched to 16."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelfree.data.depth import bits_of, bits_together, depth_in_words


def said(*arrays: np.ndarray) -> str:
    found = [bits for array in arrays if (bits := bits_of(array)) is not None]
    return depth_in_words(bits_together(found), 8 * arrays[0].dtype.itemsize)


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([0, 4095, 17], "uint16", "12 of 16 bits in use"),
        ([0, 4096], "uint16", "1 bit in 16: shifted by 12, only multiples of 4096"),
        ([1, 4096], "uint16", "13 of 16 bits in use"),
        ([16, 65520, 32], "uint16", "12 bit in 16: shifted by 4, only multiples of 16"),
        ([0, 257, 65535], "uint16", "8 bit in 16: only multiples of 257"),
        ([0, 255], "uint8", "8 of 8 bits in use"),
        ([0, 0], "uint8", "0 of 8 bits in use"),
        ([-1024, 3071], "int16", "13 of 16 bits in use, one of them the sign"),
    ],
)
def test_depth(values: list[int], dtype: str, expected: str) -> None:
    assert said(np.array(values, dtype=dtype)) == expected


def test_floats_have_none() -> None:
    assert bits_of(np.ones((2, 2), dtype=np.float32)) is None


@given(st.lists(st.lists(st.integers(0, 65535), min_size=1), min_size=1))
def test_several_arrays_are_as_one(parts: list[list[int]]) -> None:
    arrays = [np.array(part, dtype=np.uint16) for part in parts]
    assert said(*arrays) == said(np.concatenate(arrays))


@given(st.lists(st.integers(1, 4095), min_size=2), st.integers(0, 4))
def test_a_shift_is_told_whatever_its_size(values: list[int], shift: int) -> None:
    plain = np.array([*values, 1, 4095], dtype=np.uint16)
    expected = "12 of 16 bits in use" if shift == 0 else f"12 bit in 16: shifted by {shift}, only multiples of {2**shift}"
    assert said(plain << shift) == expected
