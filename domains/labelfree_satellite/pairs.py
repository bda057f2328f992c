"""Images that show the same ground: on another date (SeCo, Mañas et al. 2021, arXiv:2103.16607), or next to it (Tile2Vec, Jean et al. 2019,
arXiv:1805.02855)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from labelfree.data.overlaps import Ground, one_by_one
from labelfree.domain import Shown
from labelfree_satellite.places import with_outlines

SAME = 0.5  # intersection over union from which two images show one place
MOST_PARTNERS = 64  # partners of an image
DateOf = Callable[[Shown], str | None]


def other_dates(images: Sequence[Shown], date_of: DateOf, within: float | None) -> list[list[int]]:
    """Of each image those of the same place on another date.

    The same place: half of what two images show together is shown by both; without coordinates, a `place` of the same name and the same
    part of the image. Where a date is not known any other image will do.
    """
    dates = [date_of(image) for image in images]
    named: dict[object, list[int]] = defaultdict(list)
    for number, image in enumerate(images):
        if image.place is None and image.row.place is not None:
            named[image.row.place, image.corner].append(number)

    def another(one: int, other: int) -> bool:
        return dates[one] != dates[other] if dates[one] and dates[other] else images[one].row.path != images[other].row.path

    def others(one: int, alike: Sequence[int]) -> list[int]:
        return _spread([other for other in alike if other != one and another(one, other)])

    partners: list[list[int]] = [[] for _ in images]
    at, ground = _placed(images)
    every = np.arange(len(at))
    for i, j, common, first, second in ground.sharing(every, every):
        same = _same(common, first, second)
        for one, alike in one_by_one(at[i[same]], at[j[same]]):
            partners[one] = others(one, alike.tolist())
    for members in named.values():
        for member in members:
            partners[member] = others(member, members)
    return partners


def neighbours(images: Sequence[Shown], date_of: DateOf, within: float | None) -> list[list[int]]:
    """Of each image those beside it, of any date: middles within so many metres on the ground, and not the same ground.

    `within`: default two median widths; where it is given, places in a system whose unit nobody knows have no neighbours.
    """
    partners: list[list[int]] = [[] for _ in images]
    at, ground = _placed(images)
    measured = np.flatnonzero(ground.known | (within is None))
    half = ground.typical if within is None else np.full(len(at), within / 2)  # of a reach, which two places add up to
    for i, j in ground.near(measured, measured, half):
        other = ~_same(*ground.common(i, j))
        for one, beside in one_by_one(at[i[other]], at[j[other]]):
            partners[one] = _spread(beside.tolist())
    return partners


def _spread(others: list[int]) -> list[int]:
    """At most `MOST` of them, at equal distances in their order."""
    return others if len(others) <= MOST_PARTNERS else [others[i] for i in np.linspace(0, len(others) - 1, MOST_PARTNERS).astype(int)]


KINDS: dict[str, Callable[[Sequence[Shown], DateOf, float | None], list[list[int]]]] = {"date": other_dates, "neighbour": neighbours}


def _placed(images: Sequence[Shown]) -> tuple[np.ndarray, Ground]:
    """Positions of the images that have a place, and their ground."""
    at = [i for i, image in enumerate(images) if image.place is not None]
    return np.array(at, dtype=np.int64), Ground.of(with_outlines([place for image in images if (place := image.place) is not None]))


def _same(common: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Whether places share at least `SAME` of what both show together."""
    same: np.ndarray = common >= SAME * (first + second - common)
    return same
