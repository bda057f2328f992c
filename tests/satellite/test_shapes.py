"""Polygons as masks and boxes of a window."""

from __future__ import annotations

from pathlib import Path

import geopandas
import numpy as np
import pytest
from labelfree_satellite.grids import Grid
from labelfree_satellite.shapes import IGNORE, Polygons
from labelfree_satellite.vectors import ShapeFields
from rasterio.features import geometry_mask
from rasterio.transform import Affine
from shapely.geometry import Polygon

from labelfree.data.boxes import Box
from labelfree.domain import Window
from labelfree.errors import DataError
from tests.satellite.test_polygons import LEFT, TOP, square

GRID = Grid("EPSG:32632", (10, 0, LEFT, 0, -10, TOP), 100, 120)


def saved(folder: Path, shapes: list[object], classes: list[str | None], crs: int = 4326) -> Path:
    geopandas.GeoDataFrame({"crop": classes}, geometry=shapes, crs=32632).to_crs(crs).to_file(folder / "fields.gpkg")
    return folder / "fields.gpkg"


def test_classes_ignored_ground_and_background(tmp_path: Path) -> None:
    file = saved(tmp_path, [square(10, 20, 30), square(60, 50, 20), square(90, 0, 10)], ["wheat", "maize", None])
    known = Polygons(file, ShapeFields("crop"))
    assert known.classes == ("maize", "wheat")
    mask = known.mask(GRID)
    assert mask.shape == (100, 120) and mask.dtype == np.uint8
    assert (mask[20:50, 10:40] == 1).all() and (mask[50:70, 60:80] == 0).all() and (mask == IGNORE).sum() == 100 * 120 - 900 - 400
    asked = Polygons(file, ShapeFields("crop", background="other"))
    assert asked.classes == ("maize", "wheat", "other")
    mask = asked.mask(GRID)
    assert (mask[0:10, 90:100] == IGNORE).all(), "a field whose crop nobody knows is no background"
    assert (mask == 2).sum() == 100 * 120 - 900 - 400 - 100


def test_a_window_is_that_part_of_the_whole(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    corners = [(LEFT + 10 * x, TOP - 10 * y) for x, y in draw.uniform(0, 100, (3, 2))]
    polygons = Polygons(saved(tmp_path, [Polygon(corners)], ["a"], crs=32632), ShapeFields("crop"))
    whole = polygons.mask(GRID)
    at = Window((13, 27), (40, 50))
    np.testing.assert_array_equal(polygons.mask(GRID, at), whole[13:53, 27:77])
    inside = ~geometry_mask([Polygon(corners)], (100, 120), Affine(*GRID.transform))
    np.testing.assert_array_equal(whole == 0, inside)


def test_boxes_are_cut_off_at_the_window(tmp_path: Path) -> None:
    polygons = Polygons(saved(tmp_path, [square(10, 20, 30), square(60, 50, 20)], ["wheat", "maize"], crs=32632), ShapeFields("crop"))
    assert polygons.boxes(GRID) == [Box("wheat", 10, 20, 40, 50), Box("maize", 60, 50, 80, 70)]
    assert polygons.boxes(GRID, Window((30, 0), (40, 40))) == [Box("wheat", 10, 0, 40, 20)]


def test_a_field_with_more_values_than_a_mask_holds_is_refused(tmp_path: Path) -> None:
    file = saved(tmp_path, [square(n, 0, 1) for n in range(300)], [f"{n:03}" for n in range(300)])
    with pytest.raises(DataError, match="300 classes in crop; a mask holds 254"):
        Polygons(file, ShapeFields("crop"))
