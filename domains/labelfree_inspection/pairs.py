"""Images that show the same surface: one part under another light, or the tile beside it in one image (as Tile2Vec, arXiv:1805.02855)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence

import numpy as np

from labelfree.domain import Shown

MOST_PARTNERS = 64  # of an image
MOST_LIGHTS = 8  # pictures of a group that is one part; larger groups are lots
LIGHT = re.compile(  # what tells in names which light it was: lamp1, light-left, exp_2, darkfield
    r"(?<![^\W_])(?:lamp|lampe|light|lights|licht|led|leds|flash|strobe|illum|illumination|beleuchtung|brightfield|darkfield|hellfeld"
    r"|dunkelfeld|coax|exp|exposure)"
    r"[ _-]?(?:\d+|left|right|top|bottom|front|back|on|off|links|rechts|oben|unten|[a-d](?![^\W_]))?(?![^\W_])",
    re.IGNORECASE,
)


def other_lights(images: Sequence[Shown], within: float | None) -> list[list[int]]:
    """Of each image those of the same part under another light: their names differ in what tells the light, in folder or file.

    Where no names do, those of one group, unless so many that the group is a lot. Tiles are paired with the same tile of the others.
    """
    named = _partners(images, lambda image: LIGHT.sub("*", image.row.id) if LIGHT.search(image.row.id) else None)
    if any(named):
        return named
    pictures = defaultdict(set)
    for image in images:
        pictures[image.row.group].add(image.row.path)
    parts = {group for group, paths in pictures.items() if group is not None and len(paths) <= MOST_LIGHTS}
    return _partners(images, lambda image: image.row.group if image.row.group in parts else None)


def neighbours(images: Sequence[Shown], within: float | None) -> list[list[int]]:
    """Of each tile those of the same image whose first pixels lie within so many pixels along each axis; default: the next ones around."""
    partners: list[list[int]] = [[] for _ in images]
    for members in _alike(images, lambda image: (image.row.path, image.row.key)):
        corners = np.array([_corner(images[member]) for member in members], dtype=float).reshape(len(members), -1)
        if len(members) < 2 or not corners.shape[1]:
            continue
        near_by = _within(corners / _steps(corners), 1.5) if within is None else _within(corners, within)
        for member, near in zip(members, near_by, strict=True):
            partners[member] = [members[other] for other in near[:MOST_PARTNERS]]
    return partners


KINDS: dict[str, Callable[[Sequence[Shown], float | None], list[list[int]]]] = {"light": other_lights, "neighbours": neighbours}


def _partners(images: Sequence[Shown], key: Callable[[Shown], Hashable | None]) -> list[list[int]]:
    """Of each image those of the same key and place within it, of another file."""
    partners: list[list[int]] = [[] for _ in images]
    for members in _alike(images, key):
        by_place = defaultdict(list)
        for member in members:
            by_place[_corner(images[member])].append(member)
        for alike in by_place.values():
            for member in alike:
                others = [other for other in alike if images[other].row.path != images[member].row.path]
                partners[member] = others[:MOST_PARTNERS]
    return partners


def _alike(images: Sequence[Shown], key: Callable[[Shown], Hashable | None]) -> list[list[int]]:
    """Positions of images that have the same key; of None none."""
    members: dict[Hashable, list[int]] = defaultdict(list)
    for number, image in enumerate(images):
        if (known := key(image)) is not None:
            members[known].append(number)
    return list(members.values())


def _corner(image: Shown) -> tuple[int, ...]:
    """First pixel of an entry within its whole image."""
    start = image.row.window.start if image.row.window else (0,) * len(image.corner)
    return tuple(first + at for first, at in zip(start, image.corner, strict=True))


def _steps(corners: np.ndarray) -> np.ndarray:
    """(axes,) how far tiles lie apart along each axis, usually; 1 where all lie at one place."""
    apart = [np.diff(np.unique(along)) for along in corners.T]
    return np.array([np.median(steps) if len(steps) else 1.0 for steps in apart])


def _within(corners: np.ndarray, reach: float) -> list[list[int]]:
    """Of each corner (n, axes) the others that lie within `reach` along every axis, the nearest first."""
    order = np.argsort(corners[:, 0], kind="stable")
    first = corners[order, 0]
    low, high = np.searchsorted(first, corners[:, 0] - reach), np.searchsorted(first, corners[:, 0] + reach, side="right")
    found = []
    for one, (begin, end) in enumerate(zip(low, high, strict=True)):
        rows = order[begin:end]
        apart = np.abs(corners[rows] - corners[one]).max(1)
        near = rows[(apart <= reach) & (apart > 0)]
        found.append(near[np.argsort(apart[(apart <= reach) & (apart > 0)], kind="stable")].tolist())
    return found
