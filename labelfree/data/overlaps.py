"""Images as areas of the ground: how large they are, how far apart, and how much of it two of them share.

Places of the Earth are points in space (WGS 84, Earth-centred), so that neither the meridian of 180 degrees nor a pole is an edge. The
others lie on planes, one for each coordinate system, and are compared within it only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from labelfree.domain import Place

A, E2 = 6_378_137.0, 0.006_694_379_990_14  # WGS 84: semi-major axis in metres, eccentricity squared
EARTH = 6_371_008.8  # metres, mean radius
TOGETHER = 2**20  # pairs that are looked at together
ROUNDING = 1e-9  # sine of an angle below which a corner lies on an edge, and edges lie on one line
AT_ONCE = 2**16  # pairs whose corners are
SLACK = 1.01  # edges bend outwards between their corners


@dataclass(frozen=True)
class Ground:
    """Places as arrays.

    `plane`: (n,) of each 0 on the Earth, else the number of its plane. `middles` (n, 3), `corners` (n, 4, 3): points in metres; where
    nobody knows the unit of a plane (`known` (n,) False), in that unit. `system` (n,), `boxes` (n, 4): number of its coordinate system,
    and bounds in it. `lonlat`: (n, 2) of the middle in degrees, NaN off the Earth.
    """

    plane: np.ndarray
    known: np.ndarray
    middles: np.ndarray
    corners: np.ndarray
    system: np.ndarray
    boxes: np.ndarray
    lonlat: np.ndarray

    @staticmethod
    def of(places: Sequence[Place]) -> Ground:
        boxes = np.array([place.bounds for place in places], dtype=np.float64).reshape(-1, 4)
        numbers = {crs: number for number, crs in enumerate(dict.fromkeys(place.crs for place in places), start=1)}
        system = np.array([numbers[place.crs] for place in places], dtype=np.int64)
        unit = np.array([np.nan if place.unit is None else place.unit for place in places])
        outlines = np.array([place.outline or (np.nan,) * 10 for place in places]).reshape(-1, 5, 2)
        left, bottom, right, top = (boxes * np.where(np.isfinite(unit), unit, 1.0)[:, None]).T
        x, y = (left + right) / 2, (bottom + top) / 2
        across, up = np.stack([x, left, right, right, left], 1), np.stack([y, bottom, bottom, top, top], 1)
        on_earth = np.isfinite(outlines).all((1, 2))
        points = np.stack([across, up, np.zeros_like(up)], axis=2)
        points[on_earth] = in_space(outlines[on_earth])
        return Ground(
            np.where(on_earth, 0, system), on_earth | np.isfinite(unit), points[:, 0], points[:, 1:], system, boxes, outlines[:, 0]
        )

    @property
    def size(self) -> np.ndarray:
        """(n, 2): width and height, along the ground; the mean of opposite edges."""
        edges = np.linalg.norm(self.corners - np.roll(self.corners, -1, axis=1), axis=2)
        lengths = np.where(self.plane[:, None] == 0, along(edges), edges)
        sizes: np.ndarray = (lengths[:, :2] + lengths[:, 2:]) / 2
        return sizes

    @property
    def typical(self) -> np.ndarray:
        """(n,) the longer side of the median image: of all whose metres are known together, of the others on each plane."""
        widths, longer = self.size.max(1), np.empty(len(self.plane))
        for some in (self.known, *(~self.known & (self.plane == plane) for plane in np.unique(self.plane[~self.known]))):
            longer[some] = np.median(widths[some]) if some.any() else 0.0
        return longer

    def near(self, mine: np.ndarray, others: np.ndarray, within: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Pairs (i, j) of one of `mine` and one of `others` on one map whose middles lie at most `within[i] + within[j]` apart.

        `within`: (n,), a length along the ground for each place. Pairs come in batches, all of one i in the same, ordered by i and j.
        """
        from scipy.spatial import cKDTree

        for plane in np.unique(self.plane[mine]):
            ours, theirs = mine[self.plane[mine] == plane], others[self.plane[others] == plane]
            if not len(theirs):
                continue
            # those of similar reach have a tree of their own: one huge place must not make all others its neighbours
            scale = np.frexp(within[theirs])[1]
            trees = [(members := theirs[scale == step], cKDTree(self.middles[members])) for step in np.unique(scale)]
            reaches = [straight(reach) if plane == 0 else reach for reach in (within[ours] + within[m].max() for m, _ in trees)]
            many = [tree.query_ball_point(self.middles[ours], r, return_length=True) for (_, tree), r in zip(trees, reaches, strict=True)]
            batch = np.cumsum(np.sum(many, axis=0)) // TOGETHER
            for some in np.split(np.arange(len(ours)), np.flatnonzero(np.diff(batch)) + 1):
                first, second = [], []
                for (members, tree), reach in zip(trees, reaches, strict=True):
                    neighbours = tree.query_ball_point(self.middles[ours[some]], reach[some])
                    first.append(np.repeat(ours[some], [len(one) for one in neighbours]))
                    second.append(members[np.fromiter((j for one in neighbours for j in one), dtype=np.int64, count=len(first[-1]))])
                i, j = np.concatenate(first), np.concatenate(second)
                order = np.lexsort((j, i))
                yield i[order], j[order]

    def sharing(self, mine: np.ndarray, others: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
        """Pairs (i, j) of places that may overlap, the area they share, and that of each, in one unit a pair; batches as in `near`."""
        spread = np.linalg.norm(self.corners - self.middles[:, None], axis=2).max(1, initial=0)
        reach = SLACK * np.where(self.plane == 0, along(spread), spread)
        for i, j in self.near(mine, others, reach):
            yield i, j, *self.common(i, j)

    def common(self, i: np.ndarray, j: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(k,) area that each pair of places shares, and the areas of both, in one unit a pair.

        Within a coordinate system its own boxes tell, exactly, unless it puts far apart what is near on the ground (a meridian at which
        the map was cut); then, and between systems, the four corners on the plane that touches the Earth at the first.
        """
        shared, first, second = _boxes(self.boxes[i], self.boxes[j])
        cut = (self.plane[i] == 0) & ((self.system[i] != self.system[j]) | ~_adjoining(self.boxes[i], self.boxes[j]))
        for some in np.split(np.flatnonzero(cut), range(AT_ONCE, int(cut.sum()), AT_ONCE)):
            middle = self.middles[i[some]]
            frame = np.stack(_tangent(middle), axis=2)  # (k, 3, 2)
            ours, theirs = ((self.corners[k[some]] - middle[:, None]) @ frame for k in (i, j))
            shared[some], first[some], second[some] = quadrangles(ours, theirs)
        return shared, first, second


def one_by_one(i: np.ndarray, j: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Of pairs (i, j) in the order of i each i with its j."""
    names, starts = np.unique(i, return_index=True)
    yield from zip(names.tolist(), np.split(j, starts[1:]), strict=True) if len(names) else ()


def in_space(lonlat: np.ndarray) -> np.ndarray:
    """(..., 2) longitude and latitude in degrees to (..., 3) Earth-centred metres, on the ellipsoid."""
    longitude, latitude = np.radians(lonlat[..., 0]), np.radians(lonlat[..., 1])
    normal = A / np.sqrt(1 - E2 * np.sin(latitude) ** 2)
    flat = normal * np.cos(latitude)
    return np.stack([flat * np.cos(longitude), flat * np.sin(longitude), normal * (1 - E2) * np.sin(latitude)], axis=-1)


def along(chord: np.ndarray) -> np.ndarray:
    """Distances along the ground of points that are `chord` metres apart through it."""
    return 2 * EARTH * np.arcsin(np.clip(np.asarray(chord) / (2 * EARTH), 0, 1))


def straight(distance: np.ndarray) -> np.ndarray:
    """The inverse of `along`."""
    return 2 * EARTH * np.sin(np.clip(np.asarray(distance) / (2 * EARTH), 0, np.pi / 2))


def _tangent(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two unit vectors (k, 3) each that span the plane which touches the Earth at points in space (k, 3); mostly east and north."""
    up = points / np.linalg.norm(points, axis=1, keepdims=True)
    axis = np.where(np.abs(up[:, 2:]) < 0.9, (0.0, 0.0, 1.0), (1.0, 0.0, 0.0))
    east = np.cross(axis, up)
    east /= np.linalg.norm(east, axis=1, keepdims=True)
    return east, np.cross(up, east)


def _boxes(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What boxes (k, 4) share with others (k, 4), and the areas of both, (k,) each."""
    width = np.minimum(one[:, 2], other[:, 2]) - np.maximum(one[:, 0], other[:, 0])
    height = np.minimum(one[:, 3], other[:, 3]) - np.maximum(one[:, 1], other[:, 1])
    areas = ((box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1]) for box in (one, other))
    return np.clip(width, 0, None) * np.clip(height, 0, None), *areas  # type: ignore[return-value]


def _adjoining(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(k,) bool: boxes no further apart than both are wide and high together, by their middles."""
    apart = np.abs(one[:, :2] + one[:, 2:] - other[:, :2] - other[:, 2:]) / 2
    both = one[:, 2:] - one[:, :2] + other[:, 2:] - other[:, :2]
    return np.asarray((apart <= both).all(1))


def quadrangles(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What convex quadrangles (k, 4, 2), corners in turn, share with others, and the areas of both, (k,) each.

    The corners of the common part are corners of one inside the other, and points where edges cross.
    """
    one, other = _counter_clockwise(one), _counter_clockwise(other)
    points, held = [one, other], [_inside(one, other), _inside(other, one)]
    a, b = np.roll(one, -1, axis=1) - one, np.roll(other, -1, axis=1) - other
    for edge in range(4):
        gap = other - one[:, edge, None]  # (k, 4, 2): from this edge's start to those of the others
        turn = _cross(a[:, edge, None], b)
        crossing = np.abs(turn) > ROUNDING * np.linalg.norm(a[:, edge, None], axis=-1) * np.linalg.norm(b, axis=-1)
        safe = np.where(crossing, turn, 1.0)
        t, s = _cross(gap, b) / safe, _cross(gap, a[:, edge, None]) / safe
        points.append(one[:, edge, None] + t[..., None] * a[:, edge, None])
        held.append(crossing & (t >= 0) & (t <= 1) & (s >= 0) & (s <= 1))
    every, corner = np.concatenate(points, axis=1), np.concatenate(held, axis=1)  # (k, 24, 2), (k, 24)
    count = corner.sum(1)
    middle = np.where(corner[..., None], every, 0).sum(1) / np.maximum(count, 1)[:, None]
    spokes = np.where(corner[..., None], every - middle[:, None], 0)  # (k, 24, 2)
    order = np.argsort(np.where(corner, np.arctan2(spokes[..., 1], spokes[..., 0]), np.inf), axis=1)
    ring = np.take_along_axis(spokes, order[..., None], axis=1)
    last = np.arange(24)[None] >= count[:, None]  # the ring is closed by its first corner
    ring = np.where(last[..., None], ring[:, :1], ring)
    return np.where(count < 3, 0.0, np.abs(_area(ring))), np.abs(_area(one)), np.abs(_area(other))


def _counter_clockwise(quads: np.ndarray) -> np.ndarray:
    return np.where((_area(quads) < 0)[:, None, None], quads[:, ::-1], quads)


def _inside(points: np.ndarray, quads: np.ndarray) -> np.ndarray:
    """(k, 4) bool: points (k, 4, 2) in, or on the edge of, counter-clockwise quadrangles (k, 4, 2)."""
    edges = np.roll(quads, -1, axis=1) - quads
    away = points[:, :, None] - quads[:, None]  # (k, points, edges, 2)
    side = _cross(edges[:, None], away)
    rounding = ROUNDING * np.linalg.norm(edges, axis=-1)[:, None] * np.linalg.norm(away, axis=-1)
    return np.asarray((side >= -rounding).all(2))


def _area(ring: np.ndarray) -> np.ndarray:
    """(k,) signed area of polygons (k, corners, 2)."""
    area: np.ndarray = _cross(ring, np.roll(ring, -1, axis=1)).sum(1) / 2
    return area


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    cross: np.ndarray = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return cross
