"""Images that show the same ground: on another date (SeCo, Mañas et al. 2021, arXiv:2103.16607), or next to it (Tile2Vec, Jean et al. 2019,
arXiv:1805.02855)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from labelfree.domain import Shown
from labelfree_satellite.places import A_DEGREE, EARTH, on_the_ground

SAME = 0.5  # intersection over union from which two images show one place
MOST = 64  # partners of an image
DateOf = Callable[[Shown], str | None]


def other_dates(images: Sequence[Shown], date_of: DateOf, within: float | None) -> list[list[int]]:
    """Of each image those of the same place on another date.

    The same place: half of what two images show together is shown by both; without coordinates, a `place` of the same name and the same
    part of the image. Where a date is not known any other image will do.
    """
    dates = [date_of(image) for image in images]
    found = _near(images, lambda ground: float(ground[:, 2:].max()), _same_ground)
    named: dict[object, list[int]] = defaultdict(list)
    for i, image in enumerate(images):
        if image.place is None and image.row.place is not None:
            named[image.row.place, image.corner].append(i)
    for alike in named.values():
        for i in alike:
            found[i] = alike

    def another(i: int, j: int) -> bool:
        return dates[i] != dates[j] if dates[i] and dates[j] else images[i].row.path != images[j].row.path

    return [_spread([j for j in others if j != i and another(i, j)]) for i, others in enumerate(found)]


def neighbours(images: Sequence[Shown], date_of: DateOf, within: float | None) -> list[list[int]]:
    """Of each image those beside it: middles within so many metres, default two median widths, and not the same ground; of any date."""

    def reach(ground: np.ndarray) -> float:
        return within or 2 * float(np.median(ground[:, 2:].max(1)))

    def beside(ground: np.ndarray, one: int, others: np.ndarray) -> np.ndarray:
        return np.setdiff1d(others, _same_ground(ground, one, others))

    return [_spread(others) for others in _near(images, reach, beside)]


def _spread(others: list[int]) -> list[int]:
    """At most `MOST` of them, at equal distances in their order."""
    return others if len(others) <= MOST else [others[i] for i in np.linspace(0, len(others) - 1, MOST).astype(int)]


KINDS: dict[str, Callable[[Sequence[Shown], DateOf, float | None], list[list[int]]]] = {"date": other_dates, "neighbour": neighbours}


def _near(
    images: Sequence[Shown], reach: Callable[[np.ndarray], float], choose: Callable[[np.ndarray, int, np.ndarray], np.ndarray]
) -> list[list[int]]:
    """Of each image whose place on Earth is known those within `reach` metres of its middle, itself included, that `choose` keeps."""
    from sklearn.neighbors import BallTree

    found: list[list[int]] = [[] for _ in images]
    there = [(i, place) for i, image in enumerate(images) if (place := image.place) is not None]
    ground = on_the_ground([place for _, place in there])
    located = [i for (i, _), known in zip(there, np.isfinite(ground).all(1), strict=True) if known]
    ground = ground[np.isfinite(ground).all(1)]
    if not located:
        return found
    middles = np.radians(ground[:, 1::-1])  # latitude first, as the haversine wants it
    near = BallTree(middles, metric="haversine").query_radius(middles, reach(ground) / EARTH)
    for position, others in enumerate(near):
        found[located[position]] = [located[other] for other in choose(ground, position, np.sort(others))]
    return found


def _same_ground(ground: np.ndarray, one: int, others: np.ndarray) -> np.ndarray:
    """Those of `others` that share at least `SAME` with `one`, of what both show together."""
    longitude, latitude, width, height = ground[one]
    east = (ground[others, 0] - longitude) * A_DEGREE * np.cos(np.radians(latitude))
    north = (ground[others, 1] - latitude) * A_DEGREE
    wide = np.clip(np.minimum(width / 2, east + ground[others, 2] / 2) - np.maximum(-width / 2, east - ground[others, 2] / 2), 0, None)
    high = np.clip(np.minimum(height / 2, north + ground[others, 3] / 2) - np.maximum(-height / 2, north - ground[others, 3] / 2), 0, None)
    both = wide * high
    kept: np.ndarray = others[both >= SAME * (width * height + ground[others, 2] * ground[others, 3] - both)]
    return kept
