"""Objects told apart in a map of classes, and how well they match true ones: panoptic quality and the aggregated Jaccard index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labelfree.samples import IGNORE

RISE = 1.0  # pixels: two peaks of the distance to an object's boundary are two objects where both rise this far above the pass between
TIE = 1e-6  # share of steepness in the height of a way
FOUND = 0.5  # intersection over union above which an object is found; there can be one such partner only


def watershed(mask: np.ndarray, classes: Sequence[int], spacing: Sequence[float] | None = None) -> np.ndarray:
    """(*spatial) int32: 0, or the number of the object that a pixel belongs to; an object is of one of `classes`.

    Each class's pixels are cut where the distance to their boundary is least: a watershed from the peaks that rise `RISE` above their
    surroundings. `spacing`: of a pixel along each axis, which tells apart only how long these are.
    """
    objects = np.zeros(mask.shape, dtype=np.int32)
    for position in classes:
        region = mask == position
        if region.any():
            objects[region] = _parts(region, spacing)[region] + objects.max()
    return objects


def _parts(region: np.ndarray, spacing: Sequence[float] | None) -> np.ndarray:
    """(*spatial) int32 numbers of the objects that `region`, (*spatial) bool, falls into."""
    from scipy import ndimage

    sampling = None if spacing is None else np.asarray(spacing) / min(spacing)
    height = ndimage.distance_transform_edt(np.pad(region, 1), sampling)[(slice(1, -1),) * region.ndim]
    tops = peaks(height, RISE)
    patches, count = ndimage.label(region, _near(region.ndim))
    numbers = _highest(tops, patches, count).astype(np.int32)
    parts: np.ndarray = numbers[patches]  # a patch with one top is one object
    tops_of = np.bincount(np.unique(np.stack([patches, tops]).reshape(2, -1)[:, tops.ravel() > 0], axis=1)[0], minlength=count + 1)
    for patch, box in enumerate(ndimage.find_objects(patches), 1):
        if tops_of[patch] > 1:
            here = patches[box] == patch
            parts[box][here] = flood(height[box] * here, tops[box] * here)[here]
    return parts


def peaks(height: np.ndarray, rise: float) -> np.ndarray:
    """(*spatial) int: 0, or the number of the peak whose top is there. A peak rises `rise` above the highest way to a higher one.

    `height` minus `rise`, grown under `height` until it stands still, is flat below each top (Soille 2003, Morphological Image Analysis).
    """
    from scipy import ndimage

    cut, last = np.maximum(height - rise, 0), None
    while last is None or (cut != last).any():
        cut, last = np.minimum(ndimage.grey_dilation(cut, size=3), height), cut
    tops, count = ndimage.label(height > cut, _near(height.ndim))
    high = _highest(height - cut, tops, count) >= rise - 1e-9
    numbers: np.ndarray = np.where(high, np.cumsum(high), 0)
    return numbers[tops]


def flood(height: np.ndarray, tops: np.ndarray) -> np.ndarray:
    """(*spatial) int32: of each pixel with `height` above 0 the top it hangs on, 0 elsewhere.

    A pixel hangs on the top that it reaches by the highest way: a minimum spanning forest rooted in the tops (Cousty et al. 2009,
    Watershed Cuts), of equally high ways the steepest. Ways go along the axes and diagonals.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

    inside = height > 0
    node = np.cumsum(inside.ravel()).reshape(height.shape)  # 0 is the root of all tops
    count, top = int(node.flat[-1]) + 1, float(height.max())
    starts, ends, costs = [np.zeros((tops > 0).sum(), dtype=np.int64)], [node[tops > 0]], [np.full((tops > 0).sum(), 0.5)]
    for step in np.argwhere(np.ones((3,) * height.ndim))[3**height.ndim // 2 + 1 :] - 1:  # each pair of neighbours once
        here = tuple(slice(max(0, -by), side - max(0, by)) for by, side in zip(step, height.shape, strict=True))
        there = tuple(slice(max(0, by), side - max(0, -by)) for by, side in zip(step, height.shape, strict=True))
        both = inside[here] & inside[there]
        starts.append(node[here][both])
        ends.append(node[there][both])
        low, high = np.sort([height[here][both], height[there][both]], axis=0)
        costs.append(1 + top - low - TIE * (high - low) / np.linalg.norm(step))
    graph = coo_array((np.concatenate(costs), (np.concatenate(starts), np.concatenate(ends))), shape=(count, count))
    forest = minimum_spanning_tree(graph.tocsr())[1:, 1:]  # without the root each tree holds one pixel of a top
    trees = np.concatenate([[0], 1 + connected_components(forest, directed=False)[1]])
    of_tree = np.zeros(trees.max() + 1, dtype=np.int32)
    of_tree[trees[node[tops > 0]]] = tops[tops > 0]
    return np.where(inside, of_tree[trees[node]], 0).astype(np.int32)


@dataclass(frozen=True)
class Matched:
    """Objects of an image beside true ones.

    `tallies`: (K, 4), of each class: found, false and missed objects, and the sum of the found ones' intersections over unions.
    `jaccard`: pixels of the aggregated Jaccard index (Kumar et al. 2017): intersections over unions.
    """

    tallies: np.ndarray
    jaccard: tuple[int, int]


def matched(truth: np.ndarray, mask: np.ndarray, called: np.ndarray, called_mask: np.ndarray, classes: int) -> Matched:
    """`truth`, `called`: (*spatial) numbers of objects, 0 none, IGNORE where nobody knows. `mask`, `called_mask`: their classes.

    Objects match within one class (Kirillov et al. 2019, Panoptic Segmentation): pixels of which nobody knows the truth count in neither,
    and what was called mostly there is no false object.
    """
    known = (truth != IGNORE) & (mask != IGNORE)
    true_ids, true_at = np.unique(truth[known], return_inverse=True)
    called_ids, called_at = np.unique(called[known], return_inverse=True)
    both = np.zeros((len(true_ids), len(called_ids)), dtype=np.int64)
    np.add.at(both, (true_at, called_at), 1)
    true_size, called_size = both.sum(1), both.sum(0)
    union = true_size[:, None] + called_size - both
    true_class, called_class = np.zeros(len(true_ids), int), np.zeros(len(called_ids), int)
    true_class[true_at], called_class[called_at] = mask[known], called_mask[known]
    real, thought = true_ids > 0, called_ids > 0
    overlap = np.where(real[:, None] & thought, both / union, 0.0)
    pairs = (overlap > FOUND) & (true_class[:, None] == called_class)
    whole = np.bincount(called.ravel())[called_ids]
    counted = called_size >= whole / 2  # the others lie mostly where nobody knows
    found = true_class[np.nonzero(pairs)[0]]
    false, missed = called_class[thought & counted & ~pairs.any(0)], true_class[real & ~pairs.any(1)]
    columns = [np.bincount(of, minlength=classes).astype(np.float64) for of in (found, false, missed)]
    tallies = np.stack([*columns, np.bincount(found, overlap[pairs], classes)], axis=1)
    return Matched(tallies, _jaccard(both[real][:, thought], union[real][:, thought], true_size[real], called_size[thought]))


def _jaccard(both: np.ndarray, union: np.ndarray, true_size: np.ndarray, called_size: np.ndarray) -> tuple[int, int]:
    """Each true object takes the called one with the largest overlap, which others may take, too; those that none took add to the union."""
    if not both.size:
        return 0, int(true_size.sum() + called_size.sum())
    rows, best = np.arange(len(both)), (both / union).argmax(1)
    met = both[rows, best] > 0
    taken = np.isin(np.arange(len(called_size)), best[met])
    unions = np.where(met, union[rows, best], true_size).sum() + called_size[~taken].sum()
    return int(both[rows, best][met].sum()), int(unions)


def _near(dims: int) -> np.ndarray:
    """Neighbours of a pixel: along the axes and diagonals."""
    return np.ones((3,) * dims, dtype=bool)


def _highest(values: np.ndarray, labels: np.ndarray, count: int) -> np.ndarray:
    """(count + 1,) the largest value, at least 0, where each of the labels 1 to `count` is; 0 for label 0."""
    found = np.zeros(count + 1)
    np.maximum.at(found, labels[labels > 0], values[labels > 0])
    return found
