"""Which found boxes match which drawn ones, by COCO's rules (Lin et al. 2014, arXiv:1405.0312; cocodataset.org, detection evaluation)."""

from __future__ import annotations

import numpy as np

from labelfree.data.boxes import ANY, Boxes, Detections, areas, overlaps

MOST = 100  # detections of an image that are scored
OVERLAPS = np.linspace(0.5, 0.95, 10)  # intersections over union from which on a box is found
SIZES = ("all", "small", "medium", "large")
AREAS = np.array([(0, 1e10), (0, 32**2), (32**2, 96**2), (96**2, 1e10)])  # square pixels, both ends included
MATCHED, FALSE, IGNORED = 1, 0, -1


def matches(found: Detections, drawn: Boxes) -> np.ndarray:
    """(n, sizes, overlaps) int8 of `found` by falling score: `MATCHED`, `FALSE` or `IGNORED` at each size and overlap.

    The strongest box chooses first: among the objects of its class that no stronger one took that which it overlaps most. Failing these,
    it may lie in a region that is ignored, or match an object of another size, and does not count; nor does an unmatched box of another
    size. An ignored region takes any number of boxes.
    """
    share = overlaps(found.corners, drawn.corners, whole=drawn.ignored)
    share[(found.label[:, None] != drawn.label[None]) & (drawn.label[None] != ANY)] = 0
    aside = drawn.ignored | _outside(areas(drawn.corners))  # (sizes, m)
    out = np.where(_outside(areas(found.corners)), IGNORED, FALSE).T
    said = np.repeat(out[:, :, None], len(OVERLAPS), axis=2).astype(np.int8)
    free = np.ones((len(SIZES), len(OVERLAPS), len(drawn)), bool)
    for at in np.flatnonzero(share.max(1, initial=0) >= OVERLAPS[0]):
        open_ = (share[at] >= OVERLAPS[:, None]) & (free | drawn.ignored)
        for kind, word in ((~aside, MATCHED), (aside, IGNORED)):
            can = open_ & kind[:, None]
            take = can.any(2)
            best = _last_best(np.where(can, share[at], -1))
            said[at][take] = word
            free[*np.nonzero(take), best[take]] = False
            open_[take] = False  # what matched an object does not look at what is ignored
    return said


def _outside(area: np.ndarray) -> np.ndarray:
    """(sizes, n) bool: whether areas are of another size."""
    return (area < AREAS[:, :1]) | (area > AREAS[:, 1:])


def _last_best(share: np.ndarray) -> np.ndarray:
    """Along the last axis where the largest is, of equal ones the last: COCO's choice."""
    return share.shape[-1] - 1 - share[..., ::-1].argmax(-1)


def object_counts(drawn: Boxes, classes: int) -> np.ndarray:
    """(classes, sizes) objects of an image that are to be found."""
    objects = drawn.objects
    inside = ~_outside(areas(objects.corners))
    return np.stack([np.bincount(objects.label[of], minlength=classes) for of in inside], axis=1)
