"""Volumes and their maps as pictures: planes through what matters most in them, laid out as their domain shows volumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from labelfree.domain import IGNORE, Domain, Sample, ShowsPlanes
from labelfree.reporting.segment_pictures import plane

Place = tuple[int, ...]


def place_shown(truth: np.ndarray, called: np.ndarray, objects: Sequence[int], errors: bool) -> Place:
    """The voxel that planes go through: the middle of the largest patch of `errors`, or of the largest structure; of the other where there
    is none, of the volume where there is neither. `truth`, `called`: (*spatial) positions among the classes.
    """
    wrong, structure = (truth != IGNORE) & (truth != called), np.isin(truth, objects)
    asked = [each for each in ((wrong, structure) if errors else (structure, wrong)) if each.any()]
    return middle_of_largest(asked[0]) if asked else tuple(length // 2 for length in truth.shape)


def middle_of_largest(where: np.ndarray) -> Place:
    """Of the largest connected patch of (*spatial) bool, the slice along each axis that shows most of it."""
    from scipy import ndimage

    patches, _ = ndimage.label(where)
    sizes = np.bincount(patches.ravel())
    sizes[0] = 0
    largest = patches == sizes.argmax()
    axes = range(where.ndim)
    return tuple(_most(largest.sum(tuple(other for other in axes if other != axis))) for axis in axes)


def _most(counts: np.ndarray) -> int:
    """Where counts are largest, in the middle of several equal ones."""
    largest = np.flatnonzero(counts == counts.max())
    return int(largest[len(largest) // 2])


def pictures(domain: Domain, sample: Sample, maps: Mapping[str, np.ndarray], place: Place) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """An image (H, W, 3) uint8, and `maps` (*spatial) of it as (h, w) over the same part. Of a volume its planes through `place`, where its
    domain shows such; else the slice in the middle, as its preview is.
    """
    image = domain.preview_at(sample, place) if isinstance(domain, ShowsPlanes) and len(place) > 2 else domain.preview(sample)
    return image, {name: flat(domain, sample, numbers, place) for name, numbers in maps.items()}


def flat(domain: Domain, sample: Sample, numbers: np.ndarray, place: Place) -> np.ndarray:
    """One such map."""
    return domain.planes_at(numbers, sample, place) if isinstance(domain, ShowsPlanes) and len(place) > 2 else plane(numbers)
