"""What was found on overlapping tiles as what is found on their image: an object that borders cut is one, and none is there twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from labelfree.data.boxes import Detections, areas, shared_areas

REACH = 0.02  # of a tile's side: nearer to a border a box may have been cut by it
ALIKE = 0.5  # intersection over union, where two tiles overlap, from which on both show one object
SUPPRESSED = 0.5  # intersection over union with a stronger box of its class, above which a box is that object once more
BLOCK = 1 << 22  # pairs of boxes looked at together


def merged(found: Sequence[Detections], tiles: np.ndarray, overlap: float = SUPPRESSED, most: int | None = None) -> Detections:
    """The detections of an image by falling score, in its pixels; the `most` strongest, None: all.

    `found`: of each tile, in the tile's pixels. `tiles`: (t, 4) x0, y0, x1, y1 of each in the image, in the same order; what a tile is
    padded with lies outside the image. Neighbours overlap: parts are known as one object by what both tiles show of it, so that objects
    that only touch stay two, and a chain of parts across any number of tiles is one. `overlap`: intersection over union above which the
    weaker of two boxes of a class is left out, as is a part that lies for more than this share in a stronger box of its class.
    """
    tiles = np.asarray(tiles, np.float64).reshape(-1, 4)
    of_tile = np.repeat(np.arange(len(tiles)), [len(part) for part in found])
    everything = Detections.together(found)
    if not len(everything):
        return everything
    moved = Detections(everything.corners + np.tile(tiles[of_tile, :2], 2), everything.label, everything.score)
    cut = _cut(moved.corners, tiles, of_tile)
    whole, part = _joined(moved, tiles, of_tile, cut)
    kept = _strongest_alone(whole, part, overlap)
    return kept.strongest(most)


def _cut(corners: np.ndarray, tiles: np.ndarray, of_tile: np.ndarray) -> np.ndarray:
    """(n, 4) bool: on which of its sides a box ends where its tile does and the image goes on."""
    frame = tiles[of_tile]
    sides = np.tile(frame[:, 2:] - frame[:, :2], 2)
    inner = np.concatenate([frame[:, :2] > tiles[:, :2].min(0), frame[:, 2:] < tiles[:, 2:].max(0)], axis=1)
    return inner & (np.abs(corners - frame) <= REACH * sides)


def _joined(found: Detections, tiles: np.ndarray, of_tile: np.ndarray, cut: np.ndarray) -> tuple[Detections, np.ndarray]:
    """One box an object, with the highest score of its parts; and (n,) bool which of them are still parts: alone, and cut.

    Of an object that a tile shows whole, the strongest such box is its own; of others it is what encloses the parts.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = len(found)
    pairs = _same_object(found, tiles, of_tile, cut)
    objects, of_object = connected_components(coo_array((np.ones(len(pairs)), pairs.T), shape=(count, count)), directed=False)
    order = np.argsort(-found.score, kind="stable")
    found, of_object, whole = found[order], of_object[order], ~cut[order].any(1)
    corners = np.tile(np.array([np.inf, np.inf, -np.inf, -np.inf], np.float32), (objects, 1))
    np.minimum.at(corners[:, :2], of_object, found.corners[:, :2])
    np.maximum.at(corners[:, 2:], of_object, found.corners[:, 2:])
    shown, strongest = np.unique(of_object[whole], return_index=True)
    corners[shown] = found.corners[whole][strongest]
    _, first = np.unique(of_object, return_index=True)
    part = np.bincount(of_object) == 1
    part[shown] = False
    by_score = np.argsort(first)
    return Detections(corners, found.label[first], found.score[first])[by_score], part[by_score]


def _same_object(found: Detections, tiles: np.ndarray, of_tile: np.ndarray, cut: np.ndarray) -> np.ndarray:
    """(p, 2) boxes of two tiles that show one object: of these at least one is cut where the other tile goes on, and where the tiles
    overlap they show the same. A box has one partner in a tile: that which it resembles most there.
    """
    alike: list[tuple[float, int, int]] = []
    for one, other in _touching(found):
        apart = of_tile[one] != of_tile[other]
        one, other = one[apart], other[apart]
        frames = tiles[of_tile[one]], tiles[of_tile[other]]
        both = np.concatenate([np.maximum(*frames)[:, :2], np.minimum(*frames)[:, 2:]], axis=1)
        open_ = _goes_on(cut[one], *frames) | _goes_on(cut[other], *frames[::-1])
        here, there = _clipped(found.corners[one], both), _clipped(found.corners[other], both)
        shared = shared_areas(here, there)
        union = areas(here) + areas(there) - shared
        share = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
        same = open_ & (share >= ALIKE)
        alike += zip((-share[same]).tolist(), one[same].tolist(), other[same].tolist(), strict=True)
    strength = found.score
    alike.sort(key=lambda pair: (pair[0], -float(strength[pair[1]] + strength[pair[2]]), *pair[1:]))
    partners, pairs = set[tuple[int, int]](), list[tuple[int, int]]()
    for _, first, second in alike:
        sides = {(first, int(of_tile[second])), (second, int(of_tile[first]))}
        if not sides & partners:
            partners |= sides
            pairs.append((first, second))
    return np.array(pairs, np.int64).reshape(-1, 2)


def _goes_on(cut: np.ndarray, own: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(p,) bool: whether a box is cut by a border of its `own` tile that the `other` tile looks beyond."""
    beyond = np.concatenate([other[:, :2] < own[:, :2], other[:, 2:] > own[:, 2:]], axis=1)
    return (cut & beyond).any(1)


def _clipped(corners: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """(p, 4) what frames show of boxes; empty where nothing."""
    low = np.maximum(corners[:, :2], frames[:, :2])
    return np.concatenate([low, np.maximum(np.minimum(corners[:, 2:], frames[:, 2:]), low)], axis=1)


def _strongest_alone(found: Detections, part: np.ndarray, overlap: float) -> Detections:
    """Those, given by falling score, that no stronger box of their class that stays covers. `part`: (n,) bool, of which it is enough to
    lie in one.
    """
    weaker = defaultdict[int, list[int]](list)
    size = areas(found.corners)
    for one, other in _touching(found):
        strong, weak = np.minimum(one, other), np.maximum(one, other)
        both = shared_areas(found.corners[strong], found.corners[weak])
        whole = np.where(part[weak], size[weak], size[strong] + size[weak] - both)
        for at, under in zip(*(side[both > overlap * whole].tolist() for side in (strong, weak)), strict=True):
            weaker[at].append(under)
    kept = np.ones(len(found), bool)
    for at in sorted(weaker):
        if kept[at]:
            kept[weaker[at]] = False
    return found[kept]


def _touching(found: Detections) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """All pairs of boxes of one class that have pixels in common, in blocks of (p,) and (p,) positions.

    Boxes are swept by their left sides: the partners of one begin before it ends.
    """
    for label in np.unique(found.label):
        mine = np.flatnonzero(found.label == label)
        mine = mine[np.argsort(found.corners[mine, 0], kind="stable")]
        x0, y0, x1, y1 = found.corners[mine].T
        ends = np.searchsorted(x0, x1, side="left")
        counts = np.maximum(ends - np.arange(len(mine)) - 1, 0)
        for start, stop in _blocks(counts):
            one = np.repeat(np.arange(start, stop), counts[start:stop])
            begins = np.cumsum(counts[start:stop]) - counts[start:stop]
            other = one + 1 + np.arange(len(one)) - np.repeat(begins, counts[start:stop])
            meet = (np.minimum(y1[one], y1[other]) > np.maximum(y0[one], y0[other])) & (np.minimum(x1[one], x1[other]) > x0[other])
            yield mine[one[meet]], mine[other[meet]]


def _blocks(counts: np.ndarray) -> Iterator[tuple[int, int]]:
    """Stretches of boxes with about `BLOCK` pairs each."""
    block = np.cumsum(counts) // BLOCK
    edges = [0, *(np.flatnonzero(np.diff(block)) + 1).tolist(), len(counts)]
    yield from pairwise(edges)
