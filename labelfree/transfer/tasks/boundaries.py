"""How far called boundaries lie from true ones, in the unit that pixels are measured in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

TOLERANCE = 0.0075  # of an image's diagonal: boundaries this close are the same (Csurka et al. 2013)
OUTSIDE = -2  # beyond the image's edge


class Boundary(NamedTuple):
    """Boundaries of an image, mean over its classes of objects. `f`: boundary F-score (Csurka et al. 2013, What is a good evaluation
    measure for semantic segmentation?), within 0.75 % of the diagonal, at least one pixel. `distance`: mean over the pixels of both
    boundaries to the nearest of the other. `hd95`: the larger of the two directed 95th percentiles of these distances.
    """

    f: float
    distance: float
    hd95: float


def boundary(truth: np.ndarray, called: np.ndarray, classes: Sequence[int], spacing: Sequence[float]) -> Boundary | None:
    """Boundaries of those of `classes` that occur or are called; None where the truth holds none of them.

    `truth`, `called`: (*spatial) positions of classes, the truth with IGNORE where nobody knows how an object goes on: there it is cut off
    as by the image's edge. `spacing`: of a pixel along each axis. A class that is only in one of the two lies the image's diagonal away.
    """
    known = truth >= 0
    if not np.isin(truth[known], classes).any():
        return None
    called = np.where(known, called, truth)
    steps = np.asarray(spacing, dtype=np.float64)
    diagonal = float(np.hypot.reduce(steps * truth.shape))
    near = max(TOLERANCE * diagonal, float(steps.max()))
    true_edge, called_edge = edges(truth), edges(called)
    found = []
    for position in classes:
        true_line, called_line = (np.argwhere(edge & (mask == position)) for edge, mask in ((true_edge, truth), (called_edge, called)))
        if len(true_line) and len(called_line):
            found.append(_apart(true_line * steps, called_line * steps, near))
        elif len(true_line) or len(called_line):
            found.append(Boundary(0.0, diagonal, diagonal))
    return Boundary(*np.mean(found, axis=0).tolist())


def edges(mask: np.ndarray) -> np.ndarray:
    """(*spatial) bool: pixels with a neighbour along an axis of another number, or none as the image ends there."""
    padded = np.pad(mask.astype(np.int64), 1, constant_values=OUTSIDE)
    inner = (slice(1, -1),) * mask.ndim
    found = np.zeros(mask.shape, dtype=bool)
    for axis in range(mask.ndim):
        for step in (1, -1):
            found |= np.roll(padded, step, axis)[inner] != mask
    return found


def _apart(true_line: np.ndarray, called_line: np.ndarray, near: float) -> Boundary:
    """Two boundaries, (n, axes) and (m, axes) places of their pixels."""
    from scipy.spatial import cKDTree

    missed, astray = cKDTree(called_line).query(true_line)[0], cKDTree(true_line).query(called_line)[0]
    recall, precision = (missed <= near).mean(), (astray <= near).mean()
    f = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    hd95 = max(np.percentile(missed, 95), np.percentile(astray, 95))
    return Boundary(float(f), float(np.concatenate([missed, astray]).mean()), float(hd95))
