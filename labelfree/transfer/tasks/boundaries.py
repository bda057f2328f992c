"""How far called boundaries lie from true ones, in the unit that pixels are measured in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from labelfree.transfer.tasks.base import flat
from labelfree.transfer.tasks.shares import share
from labelfree.transfer.tasks.weights import Weights

NEAR = 0.0075  # of an image's diagonal: boundaries this close are the same to `boundary_f` (Csurka et al. 2013)
ROUNDING = 1 + 1e-9  # three pixels of 0.1 mm are 0.3 mm
NAN = float("nan")
Box = tuple[slice, ...]


class Boundary(NamedTuple):
    """One class's boundary in one image.

    `boundary_f`: F-score within 0.75 % of the diagonal, at least one pixel (Csurka et al. 2013, What is a good evaluation measure for
    semantic segmentation?). `boundary_distance`: mean over the pixels of both boundaries to the nearest of the other. `hd95`: the larger of
    the two directed 95th percentiles of these distances. `surface_dice`: share of the pixels of both boundaries that lie within a tolerance
    of the other (Nikolov et al. 2021, arXiv:1809.04430, with pixels counted).
    """

    boundary_f: float
    boundary_distance: float
    hd95: float
    surface_dice: float


UNDEFINED = Boundary(NAN, NAN, NAN, NAN)


def boundaries(truth: np.ndarray, called: np.ndarray, classes: range, spacing: Sequence[float], tolerance: float) -> list[Boundary]:
    """Of each of `classes`; undefined where the truth lacks the class, for then there is no boundary to miss.

    `truth`, `called`: (*spatial) positions of classes, the truth with IGNORE where nobody knows how an object goes on: there it is cut off
    as by the image's edge. `spacing`: of a pixel along each axis, `tolerance` in its unit. A class of the truth that was not called lies
    the image's diagonal away.
    """
    from scipy.ndimage import find_objects

    known, steps = truth >= 0, np.asarray(spacing, dtype=np.float64)
    diagonal = float(np.hypot.reduce(steps * truth.shape))
    within = (max(NEAR * diagonal, float(steps.max())) * ROUNDING, tolerance * ROUNDING)
    boxes = [find_objects((mask + np.int16(1)) * known, classes.stop) for mask in (truth, called)]
    measured = []
    for position in classes:
        there, said = (found[position] for found in boxes)
        if there is None:
            measured.append(UNDEFINED)
        elif said is None:
            measured.append(Boundary(0.0, diagonal, diagonal, 0.0))
        else:
            box = _around(there, said)
            true_line, called_line = (np.argwhere(edges((mask[box] == position) & known[box])) * steps for mask in (truth, called))
            measured.append(_apart(true_line, called_line, *within))
    return measured


def edges(region: np.ndarray) -> np.ndarray:
    """(*spatial) bool: pixels of a region with a neighbour along an axis outside of it, or none as the image ends there."""
    from scipy.ndimage import binary_erosion

    edge: np.ndarray = region & ~binary_erosion(region)
    return edge


def of_boundaries(measure: str) -> Callable[[pa.Table, Weights], np.ndarray]:
    """A metric: a field of `Boundary`, mean over the images whose reference shows objects; of an image, over its classes."""
    return partial(_mean_over_images, Boundary._fields.index(measure))


def of_each_class(measure: str) -> Callable[[pa.Table, int], np.ndarray]:
    """The same of each of K classes, mean over the images whose reference shows it: (K,), NaN of background, and where none does."""
    return partial(_means_of_classes, Boundary._fields.index(measure))


def _means_of_classes(measure: int, answers: pa.Table, classes: int) -> np.ndarray:
    means = np.full(classes, NAN)
    if answers["boundaries"].null_count < len(answers):
        values = _measured(measure, answers)
        means[classes - values.shape[1] :] = share(np.nan_to_num(values).sum(0), np.isfinite(values).sum(0))
    return means


def _measured(measure: int, answers: pa.Table) -> np.ndarray:
    """(n, objects' classes) of the images whose boundaries were measured."""
    told = answers["boundaries"].drop_null()
    return flat(told).reshape(len(told), -1, len(Boundary._fields))[..., measure]


def _mean_over_images(measure: int, answers: pa.Table, weights: Weights) -> np.ndarray:
    told = answers["boundaries"].is_valid().to_numpy()
    means = np.full(len(told), NAN)
    if told.any():
        values = _measured(measure, answers)
        means[told] = share(np.nan_to_num(values).sum(1), np.isfinite(values).sum(1))
    return weights.mean(means, np.isfinite(means))


def _around(first: Box, second: Box) -> Box:
    """The smallest box that holds both."""
    return tuple(slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(first, second, strict=True))


def _apart(true_line: np.ndarray, called_line: np.ndarray, near: float, tolerance: float) -> Boundary:
    """Two boundaries, (n, axes) and (m, axes) places of their pixels."""
    from scipy.spatial import cKDTree

    missed, astray = cKDTree(called_line).query(true_line)[0], cKDTree(true_line).query(called_line)[0]
    both = np.concatenate([missed, astray])
    recall, precision = (missed <= near).mean(), (astray <= near).mean()
    f = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    hd95 = max(np.percentile(missed, 95), np.percentile(astray, 95))
    return Boundary(float(f), float(both.mean()), float(hd95), float((both <= tolerance).mean()))
