"""K-means over directions."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from labelfree.choosing.directions import blocks, directions, sample
from labelfree.choosing.large import faiss_for

ROUNDS = 25
A_PART = 256  # rows a part that its centre is learned from, faiss's own number
LEAST = 20_000  # but all rows where there are no more than these


def clusters(features: np.ndarray, rows: np.ndarray, parts: int, seed: int) -> np.ndarray:
    """(len(rows),) the part, 0 to `parts` - 1, that each of the ascending positions `rows` of `features` (n, D) belongs to.

    Centres are learned from at most 256 rows a part or 20,000 rows, drawn at random; a part may be empty. Memory: those, and a block.
    """
    learn = directions(features, sample(rows, max(A_PART * parts, LEAST), seed))
    centres = _centres(learn, parts, seed, faiss_for(len(rows)))
    half = (centres**2).sum(1) / 2
    part = np.empty(len(rows), np.int32)
    for block in blocks(len(rows), max(centres.shape)):
        part[block] = (directions(features, rows[block]) @ centres.T - half).argmax(1)  # |x - c|² = |x|² - 2 (x·c - |c|²/2)
    return part


def _centres(learn: np.ndarray, parts: int, seed: int, faiss: Any) -> np.ndarray:
    if faiss is not None:
        kmeans = faiss.Kmeans(learn.shape[1], parts, niter=ROUNDS, seed=seed, min_points_per_centroid=1, max_points_per_centroid=len(learn))
        kmeans.train(learn)
        centres: np.ndarray = kmeans.centroids
        return centres
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), warnings.catch_warnings():  # more threads sum in any order, and then two runs differ
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different images than parts: some parts stay empty
        return np.asarray(KMeans(parts, n_init=1, max_iter=ROUNDS, random_state=seed).fit(learn).cluster_centers_)
