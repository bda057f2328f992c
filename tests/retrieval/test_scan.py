"""The scan gives what a sort of all cosines gives, in blocks of any size, with faiss and without."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelfree.choosing import large
from labelfree.retrieval import scan
from labelfree.retrieval.scan import Scan


def unit(generator: np.random.Generator, rows: int, dim: int) -> np.ndarray:
    vectors = generator.standard_normal((rows, dim), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize(("most", "kept"), [(10**9, np.float32), (1, np.float16)], ids=["numpy", "faiss"])
@given(data=st.data())
def test_a_scan_is_a_sort_of_all_cosines(most: int, kept: type, data: st.DataObject) -> None:
    generator = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    rows, dim, k = data.draw(st.integers(1, 60)), data.draw(st.integers(2, 40)), data.draw(st.integers(1, 80))
    vectors, queries = unit(generator, rows, dim), unit(generator, data.draw(st.integers(1, 3)), dim)
    cuts = sorted(data.draw(st.lists(st.integers(0, rows), max_size=4)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(large, "LARGE", most)
        patch.setattr(scan, "BLOCK", data.draw(st.integers(1, 70)))
        scores, numbers = Scan(np.split(vectors, cuts), rows, dim).nearest(queries, k)
    cosines = queries @ vectors.astype(kept).astype(np.float32).T
    expected = -np.sort(-cosines, axis=1)[:, :k]
    np.testing.assert_allclose(scores, expected, atol=1e-6)
    np.testing.assert_allclose(np.take_along_axis(cosines, numbers, 1), expected, atol=1e-6)
    assert all(len(set(row)) == min(k, rows) for row in numbers.tolist())


@pytest.mark.parametrize("most", [10**9, 1], ids=["numpy", "faiss"])
def test_of_equal_rows_the_first_come_first(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large, "LARGE", most)
    monkeypatch.setattr(scan, "BLOCK", 5)
    vectors = np.tile(unit(np.random.default_rng(0), 2, 8), (8, 1))
    _, numbers = Scan([vectors], 16, 8).nearest(vectors[:1], 6)
    assert numbers.tolist() == [[0, 2, 4, 6, 8, 10]]
