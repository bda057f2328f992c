"""Coordinate systems of every kind against geodesics on the ellipsoid (pyproj), which the code does not use."""

from __future__ import annotations

import time
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labelfree_satellite import Satellite
from labelfree_satellite.places import LONLAT, with_outlines

from labelfree.data.ground import overlapping, spatial_groups
from labelfree.data.overlaps import Ground
from labelfree.domain import Place, Row, Shown

pyproj = pytest.importorskip("pyproj")
GEOD = pyproj.Geod(ellps="WGS84")
# a system, and a point near which it is used
SYSTEMS = {
    "EPSG:4326": (10.0, 50.0), "EPSG:4674": (-47.0, -23.0), "EPSG:4283": (149.0, -35.0), "EPSG:4269": (-100.0, 45.0),
    "EPSG:4807": (2.0, 46.5), "EPSG:4901": (2.0, 46.5), "EPSG:4979": (10.0, 70.0), "EPSG:9518": (10.0, 0.01),
    "EPSG:32632": (10.5, 60.0), "EPSG:32701": (-178.0, -20.0), "EPSG:2263": (-74.0, 40.7), "EPSG:2222": (-110.5, 33.0),
    "EPSG:27561": (2.3, 49.5), "EPSG:3857": (24.7, 60.0), "EPSG:3395": (24.7, 75.0), "EPSG:3035": (10.0, 52.0),
    "EPSG:3031": (45.0, -75.0), "EPSG:3413": (-20.0, 80.0), "EPSG:5972": (9.0, 60.0), "EPSG:7415": (5.3, 52.0),
    "EPSG:2193": (173.0, -41.0), "EPSG:2053": (29.5, -27.0), "EPSG:6933": (100.0, 60.0), "ESRI:54009": (-60.0, -40.0),
    'GEOGCS["own",DATUM["own",SPHEROID["own",6378137,298.25]],PRIMEM["Paris",2.33722917],UNIT["degree",0.0174532925199433]]': (3.0, 47.0),
}  # fmt: skip


@lru_cache
def turns(system: str) -> tuple[Any, Any, float]:
    """There, back, and a step that is about 10 m."""
    there, back = (pyproj.Transformer.from_crs(*pair, always_xy=True) for pair in ((LONLAT, system), (system, LONLAT)))
    crs = pyproj.CRS(system)
    return there.transform, back.transform, (1e-6 if crs.is_geographic else 10) / crs.axis_info[0].unit_conversion_factor


def tile(system: str, longitude: float, latitude: float, width: float, height: float | None = None) -> Place:
    """A box of a system around a point, `width` by `height` metres on the ground by the geodesics through the point."""
    there, back, step = turns(system)
    x, y = there(longitude, latitude)
    half = []
    for across, up, length in ((1, 0, width), (0, 1, height or width)):
        a, b = (back(x + way * across * step, y + way * up * step) for way in (-1, 1))
        half.append(length / GEOD.inv(*a, *b)[2] * step)
    return Place(system, (x - half[0], y - half[1], x + half[0], y + half[1]))


def row(name: object) -> Row:
    return Row(f"{name}", Path(f"{name}"), label="a")


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("side", [16, 640, 12_000])
def test_sizes_are_those_of_the_ground_in_every_system(system: str, side: float) -> None:
    ground = Ground.of(with_outlines([tile(system, *SYSTEMS[system], side, 1.5 * side)]))
    np.testing.assert_allclose(ground.size[0], (side, 1.5 * side), rtol=3e-3)


@pytest.mark.parametrize("system", SYSTEMS)
def test_blocks_are_a_kilometre_in_every_system(system: str) -> None:
    """200 chips of 16 m, within 5 km of each other."""
    draw, around = np.random.default_rng(0), SYSTEMS[system]
    away = zip(draw.uniform(0, 360, 200), 2500 * draw.uniform(size=200) ** 0.5, strict=True)
    points = [GEOD.fwd(*around, *at)[:2] for at in away]
    rows = [row(i) for i in range(200)]
    groups, notes = spatial_groups(
        rows, {r.id: p for r, p in zip(rows, with_outlines([tile(system, *p, 16) for p in points]), strict=True)}
    )
    apart = [GEOD.inv(*points[i], *points[j])[2] for i, j in combinations(range(200), 2) if groups[str(i)] == groups[str(j)]]
    assert 700 < max(apart) <= 1000 * 2**0.5 and 18 <= len(set(groups.values())) <= 40 and "blocks of 1 km" in notes[0]


@pytest.mark.parametrize("latitude", [0.0, 45.0, 89.0, 89.99, -89.999])
def test_blocks_around_poles_and_the_meridian_of_180_degrees(latitude: float) -> None:
    draw = np.random.default_rng(1)
    points = [GEOD.fwd(180.0, latitude, *at)[:2] for at in zip(draw.uniform(0, 360, 150), draw.uniform(0, 4000, 150), strict=True)]
    rows = [row(i) for i in range(150)]
    boxes = [Place(LONLAT, (x - 1e-5, y - 1e-5, x + 1e-5, y + 1e-5)) for x, y in points]
    groups, _ = spatial_groups(rows, {r.id: p for r, p in zip(rows, with_outlines(boxes), strict=True)})
    apart = [GEOD.inv(*points[i], *points[j])[2] for i, j in combinations(range(150), 2) if groups[str(i)] == groups[str(j)]]
    assert max(apart) <= 1000 * 2**0.5 and len(set(groups.values())) < 100


PAIRS = [
    ("EPSG:32632", "EPSG:32633", 12.0, 60.0), ("EPSG:32660", "EPSG:32601", 180.0, 0.5), ("EPSG:32660", "EPSG:32601", 180.0, 66.0),
    ("EPSG:32760", "EPSG:32701", -180.0, -17.0), ("EPSG:4326", "EPSG:3857", 180.0, 50.0), ("EPSG:4326", "EPSG:4326", 180.0, 10.0),
    ("EPSG:4674", "EPSG:31983", -47.0, -23.0), ("EPSG:3031", "EPSG:32733", 12.0, -79.0), ("EPSG:3413", "EPSG:4326", -10.0, 85.0),
    ("EPSG:2263", "EPSG:32618", -74.0, 40.7), ("EPSG:4807", "EPSG:2154", 2.4, 46.0), ("EPSG:3031", "EPSG:4326", 0.0, -89.9),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other", "longitude", "latitude"), PAIRS)
@given(azimuth=st.floats(0, 360), away=st.floats(0, 2.5))
@settings(max_examples=20)
def test_ground_is_shared_across_systems_and_the_meridian_of_180_degrees(
    one: str, other: str, longitude: float, latitude: float, azimuth: float, away: float
) -> None:
    """Squares of 640 m that are certain to meet, or not to: circles within and around them say so."""
    there = GEOD.fwd(longitude, latitude, azimuth, 640 * away)[:2]
    first, second = tile(one, longitude, latitude, 640), tile(other, *there, 640)
    a, b = row("a"), row("b")
    found = overlapping([a], [b], dict(zip("ab", with_outlines([first, second]), strict=True)))
    if away < 0.95:
        assert found == {"a"}
    elif away > 1.45:
        assert not found


@pytest.mark.parametrize("system", SYSTEMS)
def test_tiles_that_touch_share_nothing_and_those_that_overlap_do(system: str) -> None:
    left, bottom, right, top = tile(system, *SYSTEMS[system], 640).bounds
    width, height = right - left, top - bottom
    around = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)]
    for share, meet in ((1.0, False), (0.95, True)):
        boxes = [(left + i * share * width, bottom + j * share * height) for i, j in around]
        places = with_outlines(
            [Place(system, (left, bottom, right, top)), *(Place(system, (x, y, x + width, y + height)) for x, y in boxes)]
        )
        named = {str(i): place for i, place in enumerate(places)}
        found = overlapping([row(i) for i in range(1, 9)], [row(0)], named)
        sides = {str(n) for n, (i, j) in enumerate(around, 1) if not (i and j)}  # corners share 0.25 %, less than a sliver
        assert found == (sides if meet else set())


def test_tiles_that_touch_at_the_meridian_of_180_degrees_share_nothing() -> None:
    places = with_outlines([Place(LONLAT, (west, 10, west + 0.01, 10.01)) for west in (179.99, -180, 179.995)])
    named = dict(zip("abc", places, strict=True))
    assert overlapping([row("a")], [row("b")], named) == set()
    assert overlapping([row("a"), row("b")], [row("c")], named) == {"a", "b"}


def test_longitudes_from_0_to_360_are_those_from_180_west_to_180_east() -> None:
    whole, west, beside = with_outlines([Place(LONLAT, (x, 10, x + 0.01, 10.01)) for x in (350.0, -10.0, -9.99)])
    named = {"a": whole, "b": west, "c": beside}
    assert overlapping([row("a"), row("c")], [row("b")], named) == {"a"}
    groups, _ = spatial_groups([row("a"), row("b")], named)
    assert groups["a"] == groups["b"]


def test_two_zones_that_meet_at_180_degrees_are_one_place() -> None:
    """The leak guard, ground that is not parted, and pairs: the same tile in the zones 60 and 1."""
    places = {"a": tile("EPSG:32660", 180, 5, 640), "b": tile("EPSG:32601", -180, 5, 640), "c": tile("EPSG:32601", -179.992, 5, 640)}
    known = dict(zip(places, with_outlines(list(places.values())), strict=True))
    assert overlapping([row("a"), row("c")], [row("b")], known) == {"a"}
    groups, _ = spatial_groups([row(name) for name in "abc"], known)
    assert groups["a"] == groups["b"]
    images = [Shown(Row(f"{name}_2022040{n}", Path(name)), place, (0, 0)) for n, (name, place) in enumerate(places.items(), 1)]
    assert Satellite().partners("date", images, None) == [[1], [0], []]
    assert Satellite().partners("neighbour", images, 1000) == [[2], [2], [0, 1]]


@pytest.mark.parametrize("system", SYSTEMS)
def test_neighbours_are_within_metres_of_the_ground(system: str) -> None:
    longitude, latitude = SYSTEMS[system]
    points = [GEOD.fwd(longitude, latitude, 90, 100 * n)[:2] for n in range(5)]
    images = [Shown(row(n), tile(system, *point, 16), (0, 0)) for n, point in enumerate(points)]
    assert Satellite().partners("neighbour", images, 99) == [[]] * 5
    assert Satellite().partners("neighbour", images, 101)[:3] == [[1], [0, 2], [1, 3]]


def test_radians_are_angles_too() -> None:
    system = 'GEOGCS["own",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],PRIMEM["Greenwich",0],UNIT["radian",1]]'
    ground = Ground.of(with_outlines([Place(system, tuple(np.radians((10, 59.995, 10.01, 60.005)).tolist()))]))
    np.testing.assert_allclose(ground.size[0], (GEOD.inv(10, 60, 10.01, 60)[2], GEOD.inv(10, 59.995, 10, 60.005)[2]), rtol=1e-4)


LOCAL = 'LOCAL_CS["site",UNIT["{}",{}]]'


@pytest.mark.parametrize(("unit", "metres"), [("metre", 1), ("foot", 0.3048), ("US survey foot", 0.304800609601219)])
def test_local_grids_count_metres_or_feet_and_never_degrees(unit: str, metres: float) -> None:
    system = LOCAL.format(unit, metres)
    places = with_outlines([Place(system, (50 * i, 0, 50 * i + 20, 20)) for i in range(100)])
    assert {place.outline for place in places} == {None} and places[0].unit == pytest.approx(metres, rel=1e-6)
    rows = [row(i) for i in range(100)]
    groups, notes = spatial_groups(rows, {r.id: p for r, p in zip(rows, places, strict=True)})
    assert len(set(groups.values())) == int(np.ceil(100 * 50 * metres / 1000)) and "blocks of 1 km" in notes[0]


def test_who_knows_no_unit_says_so() -> None:
    (place,) = with_outlines([Place(LOCAL.format("unknown", 1), (0, 0, 10, 10))])
    assert place.unit is None and place.outline is None
    (moon,) = with_outlines([Place("IAU_2015:30110", (0, 0, 10, 10))])  # metres, and no way to the Earth
    assert moon.unit == 1 and moon.outline is None


def test_one_place_outside_the_map_does_not_hide_the_others() -> None:
    inside, outside = Place("ESRI:54009", (0, 0, 1000, 1000)), Place("ESRI:54009", (17_000_000, 8_000_000, 17_001_000, 8_001_000))
    first, lost, last = with_outlines([inside, outside, inside])
    assert first.outline and last.outline and lost.outline is None and lost.unit == 1


@pytest.mark.slow
def test_a_hundred_thousand_places_take_seconds() -> None:
    """A grid of 316 by 316 tiles in two zones; a test of every pair would take hours."""
    corners = [(4e5 + 640 * i, 5.3e6 + 640 * j) for i in range(316) for j in range(316)]
    before = time.perf_counter()
    places = with_outlines([Place(f"EPSG:3263{2 + (n > 5e4)}", (x, y, x + 640, y + 640)) for n, (x, y) in enumerate(corners)])
    rows = [row(i) for i in range(len(places))]
    overlapping(rows[::2], rows[1::2], {r.id: p for r, p in zip(rows, places, strict=True)})
    assert time.perf_counter() - before < 30
