"""Where images lie on the ground: blocks that stand in for groups, and overlaps that would leak (docs/protocol.md, 1 and 5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import cos, floor, radians

import numpy as np

from labelfree.domain import Place, Row

METRES_A_DEGREE = 111_320.0
PATCHES = 16  # side of a block in patches
LEAST = 1000.0  # metres
ALIKE = "alike "  # begins the names of groups that near-duplicates form; then the least group or "row ID" in it
SHARED = 0.25  # of the smaller one's ground, from which two labelled images must not be parted
TOUCH = 0.01  # neighbours of one tiling may share a sliver of this much of the smaller one


def spatial_groups(
    rows: Sequence[Row], places: Mapping[str, Place], enough: Callable[[dict[str, str]], bool] = lambda groups: True
) -> tuple[dict[str, str], list[str]]:
    """The spatial block of each row that has a place and no group of its owner's, by row id, and sentences for the report.

    A block is 16 median patches wide, at least 1 km; rows that share a quarter of their ground stand in one, whatever lies between. Where
    that leaves too few blocks (`enough` says so), the side is halved, down to one patch, and at last rows may be parted all the same.
    """
    loose = [row for row in rows if row.group is None or row.group == row.place or row.group.startswith(f"{ALIKE}row ")]
    here = {row.id: places[row.id] for row in loose if row.id in places}
    if not here:
        return {}, []
    patch = float(np.median([_side(place) for place in here.values()]))
    asked = max(PATCHES * patch, LEAST)
    shared = _sharing(here)
    groups, side = _smaller(loose, here, asked, patch, shared, enough)
    if shared and not enough(groups):
        groups, side = _smaller(loose, here, asked, patch, [], enough)
    parted = sum(groups[a] != groups[b] for a, b in shared)
    notes = [f"No groups are given: blocks of {_metres(side)} on the ground are used as groups ({len(set(groups.values()))} blocks)."]
    if side < asked:
        notes.append(f"Blocks of {_metres(asked)} would leave a class in one block, so that neighbours may still resemble each other.")
    if parted:
        notes.append(f"{parted} pairs of labelled images share ground and may be parted by folds: scores may be a little too good.")
    return groups, notes


def _smaller(
    rows: Sequence[Row],
    here: Mapping[str, Place],
    side: float,
    patch: float,
    shared: Sequence[tuple[str, str]],
    enough: Callable[[dict[str, str]], bool],
) -> tuple[dict[str, str], float]:
    """Blocks of `side`, halved until there are enough or they are one patch wide, and that side."""
    groups = _blocks(rows, here, side, shared)
    while not enough(groups) and side / 2 >= patch:
        side /= 2
        groups = _blocks(rows, here, side, shared)
    return groups, side


def _sharing(here: Mapping[str, Place]) -> list[tuple[str, str]]:
    """Pairs of row ids that share at least `SHARED` of the smaller one's ground."""
    found = []
    for crs in {place.crs for place in here.values()}:
        names = sorted((identity for identity, place in here.items() if place.crs == crs), key=lambda identity: here[identity].bounds)
        boxes = np.array([here[identity].bounds for identity in names])
        ends = np.searchsorted(boxes[:, 0], boxes[:, 2])  # those that begin before this one ends
        for i, end in enumerate(ends):
            common, smaller = _common(boxes[i], boxes[i + 1 : end])
            found += [(names[i], names[i + 1 + int(j)]) for j in np.flatnonzero(common >= SHARED * smaller)]
    return found


def overlapping(rows: Sequence[Row], others: Sequence[Row], places: Mapping[str, Place]) -> set[str]:
    """Ids of those `rows` that show ground which one of `others` shows too, on whatever date."""
    found: set[str] = set()
    for crs in {places[row.id].crs for row in others if row.id in places}:
        mine = [row.id for row in rows if row.id in places and places[row.id].crs == crs]
        if not mine:
            continue
        a = np.array([places[identity].bounds for identity in mine])
        b = np.array([places[row.id].bounds for row in others if row.id in places and places[row.id].crs == crs])
        b = b[np.argsort(b[:, 0])]
        reach = np.max(b[:, 2] - b[:, 0])  # only boxes that begin this far to the left can reach
        first, last = np.searchsorted(b[:, 0], a[:, 0] - reach), np.searchsorted(b[:, 0], a[:, 2])
        for i, identity in enumerate(mine):
            shared, smaller = _common(a[i], b[first[i] : last[i]])
            if (shared > TOUCH * smaller).any():
                found.add(identity)
    return found


def _blocks(rows: Sequence[Row], here: Mapping[str, Place], side: float, shared: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The block of each row id; blocks that near-duplicates or `shared` ground tie together are one."""
    block = {identity: f"{place.crs} {_block(place, side)}" for identity, place in here.items()}
    leader: dict[str, str] = {}

    def lead(name: str) -> str:
        while leader.setdefault(name, name) != name:
            name = leader[name]
        return name

    ties_of_copies = [(row.group, block.get(row.id, row.group)) for row in rows if row.group is not None]
    for first, second in (*ties_of_copies, *((block[a], block[b]) for a, b in shared)):
        one, other = sorted((lead(first), lead(second)))
        leader[other] = one
    ties = {row.id: block.get(row.id) or row.group for row in rows}
    return {identity: lead(name) for identity, name in ties.items() if name is not None}


def _block(place: Place, side: float) -> str:
    left, bottom, right, top = place.bounds
    x, y = (left + right) / 2, (bottom + top) / 2
    if _degrees(place):
        row = floor(y * METRES_A_DEGREE / side)
        latitude = (row + 0.5) * side / METRES_A_DEGREE
        return f"{floor(x * METRES_A_DEGREE * cos(radians(latitude)) / side)}/{row}"
    return f"{floor(x / side)}/{floor(y / side)}"


def _side(place: Place) -> float:
    """The longer side in metres."""
    left, bottom, right, top = place.bounds
    if _degrees(place):
        return METRES_A_DEGREE * max((right - left) * cos(radians((bottom + top) / 2)), top - bottom)
    return max(right - left, top - bottom)


def _degrees(place: Place) -> bool:
    """Longitude and latitude rather than metres: the name says so, or it is a geographic WKT."""
    name = place.crs.upper()
    return name in ("EPSG:4326", "OGC:CRS84", "EPSG:4269", "EPSG:4258") or name.startswith(("GEOGCS", "GEOGCRS", "GEODCRS"))


def _common(box: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The area that a box (4,) shares with each of `others` (n, 4), and that of the smaller of the two, (n,) each."""
    width = np.minimum(box[2], others[:, 2]) - np.maximum(box[0], others[:, 0])
    height = np.minimum(box[3], others[:, 3]) - np.maximum(box[1], others[:, 1])
    return np.clip(width, 0, None) * np.clip(height, 0, None), np.minimum(_area(box[None]), _area(others))


def _area(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def _metres(side: float) -> str:
    return f"{side / 1000:.3g} km" if side >= 1000 else f"{side:.3g} m"
