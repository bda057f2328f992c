"""Many rows: faiss beside scikit-learn, by a rule of size alone."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import NearestNeighbors

from labelfree.choosing import clusters, directions, large, nearest
from labelfree.errors import RecipeError


def heaps(rows: int, width: int = 16, count: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors in well separated heaps, and the heap of each."""
    generator = np.random.default_rng(0)
    heap = np.arange(rows) % count
    vectors = (np.eye(count, width)[heap] + 0.05 * generator.normal(size=(rows, width))).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), heap


@pytest.mark.parametrize("by_faiss", [False, True])
def test_parts_are_the_heaps_and_the_same_each_time(monkeypatch: pytest.MonkeyPatch, by_faiss: bool) -> None:
    vectors, heap = heaps(3000)
    monkeypatch.setattr(large, "LARGE", 10 if by_faiss else 10_000)
    monkeypatch.setattr(directions, "BLOCK", 5000)
    rows = np.arange(500, 3000)
    first, again = (clusters.clusters(vectors * 3, rows, 12, seed=1) for _ in range(2))
    assert len(first) == 2500 and first.max() < 12
    np.testing.assert_array_equal(first, again)
    assert all(len(np.unique(heap[rows][first == part])) == 1 for part in np.unique(first))  # no part mixes two heaps
    if not by_faiss:  # faiss starts from any rows, k-means++ from far ones
        assert adjusted_rand_score(heap[rows], clusters.clusters(vectors, rows, 6, seed=1)) == 1


@pytest.mark.parametrize("by_faiss", [False, True])
@pytest.mark.parametrize("k", [1, 7, 5000])
def test_neighbours_are_those_of_the_whole_matrix(monkeypatch: pytest.MonkeyPatch, by_faiss: bool, k: int) -> None:
    vectors, _ = heaps(700)
    monkeypatch.setattr(large, "LARGE", 10 if by_faiss else 10_000)
    monkeypatch.setattr(directions, "BLOCK", 1000)
    distances, positions = nearest(vectors[:40] * 5, vectors * 2, k)
    whole = np.sqrt(np.maximum(0, 2 - 2 * vectors[:40].astype(np.float64) @ vectors.T.astype(np.float64)))
    expected = np.sort(whole, axis=1)[:, :k]
    np.testing.assert_allclose(distances, expected, atol=1e-3)
    np.testing.assert_allclose(np.take_along_axis(whole, positions, 1), expected, atol=1e-3)
    assert distances.shape == positions.shape == (40, min(k, 700))


def test_without_faiss_a_large_folder_gets_one_sentence_and_a_small_one_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, _ = heaps(60)
    monkeypatch.setitem(sys.modules, "faiss", None)  # as where it is not installed
    distances, _ = nearest(vectors, vectors, 3)
    np.testing.assert_allclose(distances, NearestNeighbors(n_neighbors=3).fit(vectors).kneighbors(vectors)[0], atol=1e-3)
    monkeypatch.setattr(large, "LARGE", 50)
    with pytest.raises(RecipeError, match=r"60 images: from 50 on faiss is needed; pip install 'labelfree\[search\]'"):
        clusters.clusters(vectors, np.arange(60), 3, seed=0)


def test_the_rule_is_by_size() -> None:
    assert large.faiss_for(large.LARGE - 1) is None
    assert large.faiss_for(large.LARGE) is sys.modules["faiss"]
