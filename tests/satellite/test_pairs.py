"""Images of one place on several dates, and neighbours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from labelfree_satellite import Satellite
from labelfree_satellite.places import LONLAT

import labelfree
from labelfree.data.pool import build_pool
from labelfree.data.positives import Positives, find_positives
from labelfree.domain import Place, Row, Shown
from labelfree.errors import DataError, RecipeError
from labelfree.progress import Silent
from labelfree.recipe import Data
from tests.satellite.files import write_tif

UTM = "EPSG:32632"


def shown(name: str, x: float, y: float, side: float = 640, crs: str = UTM, **row: object) -> Shown:
    place = Place(crs, (x, y, x + side, y + side))
    return Shown(Row(name, Path(name), **row), place, (0, 0))  # type: ignore[arg-type]


def test_the_same_place_on_another_date() -> None:
    images = [
        shown("a_20220401.tif", 500_000, 5_300_000), shown("a_20220701.tif", 500_020, 5_300_010),
        shown("a_20220901.tif", 500_000, 5_300_000), shown("b_20220401.tif", 501_000, 5_300_000),
        shown("near_20220701.tif", 500_400, 5_300_000), shown("twin_20220401.tif", 500_000, 5_300_000),
    ]  # fmt: skip
    found = Satellite().partners("date", images, None)
    assert [sorted(others) for others in found] == [[1, 2], [0, 2, 5], [0, 1, 5], [], [], [1, 2]]


def test_owners_may_say_place_and_date() -> None:
    said = (("a", "wood", "2022-04-01"), ("b", "wood", "2022-07-01"), ("c", "lake", "2022-04-01"), ("d", "wood", "2022-04-01"))
    images = [Shown(Row(f"{name}.tif", Path(f"{name}.tif"), place=place, date=date), None, (0, 0)) for name, place, date in said]
    assert Satellite().partners("date", images, None) == [[1], [0, 3], [], [1]]
    elsewhere = [image._replace(corner=(0, 64 * i)) for i, image in enumerate(images)]
    assert Satellite().partners("date", elsewhere, None) == [[], [], [], []]  # other tiles of the images


def test_without_dates_any_other_image_of_the_place_will_do() -> None:
    images = [shown("a.tif", 500_000, 5_300_000), shown("b.tif", 500_000, 5_300_000)]
    assert Satellite().partners("date", images, None) == [[1], [0]]
    same = [image._replace(row=Row(image.row.id, Path("scene.tif"))) for image in images]
    assert Satellite().partners("date", same, None) == [[], []]


def test_neighbours_within_a_distance_of_any_date() -> None:
    images = [shown(f"{n}_2022040{n}.tif", 500_000 + 700 * n, 5_300_000) for n in range(1, 6)]
    assert [sorted(others) for others in Satellite().partners("neighbour", images, 1000)] == [[1], [0, 2], [1, 3], [2, 4], [3]]
    assert Satellite().partners("neighbour", images, None)[0] == [1]  # two widths: 1,280 m
    assert Satellite().partners("neighbour", images, 10)[0] == []


def test_one_place_in_two_zones_is_one_place() -> None:
    """12 degrees east lies between the zones 32 and 33."""
    from rasterio.warp import transform

    east = {crs: transform(LONLAT, crs, [12.0], [48.0]) for crs in (UTM, "EPSG:32633")}
    images = [shown(f"a_2022040{n + 1}.tif", xs[0] - 320, ys[0] - 320, crs=crs) for n, (crs, (xs, ys)) in enumerate(east.items())]
    assert Satellite().partners("date", images, None) == [[1], [0]]


FOOT = 'LOCAL_CS["site",UNIT["foot",0.3048]]'
NOBODY_KNOWS = 'LOCAL_CS["site",UNIT["unknown",1]]'


def test_local_grids_have_pairs_of_their_own_and_neighbours_within_metres() -> None:
    images = [shown(f"a_2022040{n}.tif", 0, 0, crs=FOOT) for n in (1, 2)]
    assert Satellite().partners("date", images, None) == [[1], [0]]
    line = [shown(f"{n}.tif", 700 * n, 0, crs=FOOT) for n in range(4)]  # 213 m apart
    assert Satellite().partners("neighbour", line, 220) == [[1], [0, 2], [1, 3], [2]]
    assert Satellite().partners("neighbour", line, 210) == [[], [], [], []]
    unknown = [image._replace(place=Place(NOBODY_KNOWS, image.place.bounds)) for image in line if image.place]
    assert Satellite().partners("neighbour", unknown, None)[0] == [1], "two widths need no unit"
    assert Satellite().partners("neighbour", unknown, 220) == [[], [], [], []], "nobody knows how far 220 m is"
    assert Satellite().partners("date", [*images, shown("b_20220403.tif", 0, 0)], None)[2] == [], "another map"


def test_other_dates_are_no_neighbours_and_many_partners_are_spread() -> None:
    images = [shown(f"a_2022{month:02}{day:02}.tif", 500_000, 5_300_000) for month in (4, 5, 6) for day in range(1, 31)]
    found = Satellite().partners("date", images, None)
    assert {len(others) for others in found} == {64} and found[0][-1] == 89 and found[89][0] == 0
    beside = [*images, shown("b_20220401.tif", 500_700, 5_300_000)]
    assert Satellite().partners("neighbour", beside, 1000)[0] == [90]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three dates of two scenes that do not meet, read as tiles."""
    draw = np.random.default_rng(0)
    for scene in range(2):
        for day in ("20220401", "20220701", "20220901"):
            path = tmp_path / f"s{scene}_{day}.tif"
            from rasterio.transform import from_origin

            where = {"crs": UTM, "transform": from_origin(500_000 + 50_000 * scene, 5_300_000, 10, 10)}
            write_tif(path, draw.integers(0, 3000, (3, 96, 96)).astype(np.uint16), ("blue", "green", "red"), placed=False, **where)
    return tmp_path


def test_tiles_of_a_pool_are_paired_place_by_place(folder: Path, tmp_path: Path) -> None:
    domain = Satellite()
    rows = [Row(path.name, path) for path in domain.files(folder)]
    pool = build_pool(rows, domain.read, domain.settings(), tmp_path / "pool", say=Silent(), tile=32)
    assert len(pool) == 6 * 9
    entries = np.arange(len(pool))[::-1].copy()
    positives, notes = find_positives(Data(positives="date"), domain, pool, entries)
    assert positives is not None and notes == [
        "Second views come from other images (data.positives=date): 54 of 54 have one, 2.0 on average."
    ]
    for seed in range(5):
        partners = positives.draw(entries, seed)
        assert (partners % 9 == entries % 9).all() and (partners // 27 == entries // 27).all() and (partners != entries).all()
    assert (positives.draw(entries, 0) != positives.draw(entries, 1)).any()
    assert (positives.draw(entries, 3) == positives.draw(entries, 3)).all()


def test_only_entries_to_learn_from_become_partners(folder: Path, tmp_path: Path) -> None:
    domain = Satellite()
    rows = [Row(path.name, path) for path in domain.files(folder)]
    pool = build_pool(rows, domain.read, domain.settings(), tmp_path / "pool", say=Silent(), tile=None)
    positives, notes = find_positives(Data(positives="date"), domain, pool, np.array([0, 2, 3]))
    assert positives is not None and notes[0].endswith("2 of 3 have one, 1.0 on average. The others are paired with themselves.")
    assert positives.draw(np.array([0, 2, 3]), 0).tolist() == [2, 0, 3]


def test_no_partner_at_all_and_unknown_kinds_are_refused(folder: Path, tmp_path: Path) -> None:
    domain = Satellite()
    rows = [Row(path.name, path) for path in domain.files(folder)][::3]
    pool = build_pool(rows, domain.read, domain.settings(), tmp_path / "pool", say=Silent(), tile=None)
    with pytest.raises(DataError, match="none of the 2 images to pretrain on has a partner; give files coordinates"):
        find_positives(Data(positives="date"), domain, pool, np.arange(2))
    with pytest.raises(RecipeError, match="'dates' is not known; the domain satellite has self, date, neighbour"):
        labelfree.check_recipe("satellite_dino", ["data.positives=dates"])  # told before an image is read
    with pytest.raises(RecipeError, match="'season' is not known; the domain satellite has self, date, neighbour"):
        find_positives(Data(positives="season"), domain, pool, np.arange(2))
    assert find_positives(Data(), domain, pool, np.arange(2)) == (None, [])


def test_an_entry_without_partners_is_its_own() -> None:
    positives = Positives(np.array([0, 0, 2, 2]), np.array([0, 2]))
    drawn = np.stack([positives.draw(np.array([0, 1, 2]), seed) for seed in range(20)])
    assert (drawn[:, [0, 2]] == [0, 2]).all() and set(drawn[:, 1]) == {0, 2}
