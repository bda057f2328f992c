"""Polygons of a vector file become chips of the scenes that cover them, nearest in date."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas
import pytest
from labelfree_satellite import Satellite
from shapely.geometry import MultiPolygon, Point, Polygon

from labelfree.data.manifest import load_manifest
from labelfree.domain import LabelFields, Row
from labelfree.errors import DataError
from labelfree.recipe import Data
from tests.satellite.files import write_tif
from tests.satellite.safe import safe

LEFT, TOP = 500_000, 5_300_000  # upper left corner of the scenes, 10 m a pixel
CLASSES = ("maize", "wheat", "meadow")
DATES = ("20220401", "20220701")


def square(column: int, row: int, side: int) -> object:
    """A square of `side` pixels whose upper left pixel is (column, row)."""
    from shapely.geometry import box

    return box(LEFT + 10 * column, TOP - 10 * (row + side), LEFT + 10 * (column + side), TOP - 10 * row)


def fields(folder: Path, suffix: str = ".gpkg", crs: int = 4326, **columns: object) -> Path:
    """Twelve fields of 20 pixels in a 4 x 3 pattern, three classes, in longitude and latitude unless told otherwise."""
    shapes = [square(20 + 70 * i, 20 + 70 * j, 20) for j in range(3) for i in range(4)]
    table = {"crop": [CLASSES[n % 3] for n in range(12)], "seen": [("2022-04-10", "2022-06-20")[n // 6] for n in range(12)], **columns}
    frame = geopandas.GeoDataFrame(table, geometry=shapes, crs=32632).to_crs(crs)
    frame.to_file(folder / f"fields{suffix}")
    return folder / f"fields{suffix}"


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    """One place on two dates, 300 pixels a side, each pixel its own number."""
    for number, day in enumerate(DATES):
        ramp = (np.arange(300 * 300).reshape(1, 300, 300) // 2 + 10_000 * number).astype(np.uint16)
        write_tif(tmp_path / f"tile_{day}.tif", np.repeat(ramp, 3, axis=0), names=("blue", "green", "red"))
    return tmp_path


Labelled = tuple[list[Row], list[Row], tuple[str, ...]]


def rows_of(scenes: Path, file: Path, label_field: str | None = None, date_field: str | None = None, **reader: Any) -> Labelled:
    manifest = load_manifest(Data(root=scenes, labels=file, label_field=label_field, date_field=date_field), Satellite(**reader))
    return [row for row in manifest.rows if row.label], [row for row in manifest.rows if not row.label], manifest.notes


@pytest.mark.parametrize("suffix", [".gpkg", ".geojson", ".shp"])
def test_chips_lie_on_their_polygons_on_the_nearest_date(scenes: Path, suffix: str) -> None:
    labelled, rest, notes = rows_of(scenes, fields(scenes, suffix), label_field="crop", date_field="seen")
    assert [row.label for row in labelled] == [CLASSES[n % 3] for n in range(12)]
    assert [row.path.stem for row in labelled] == ["tile_20220401"] * 6 + ["tile_20220701"] * 6
    for number, row in enumerate(labelled):
        i, j = number % 4, number // 4
        assert row.window == ((14 + 70 * j, 14 + 70 * i), (32, 32))  # a chip of 32 pixels around a field of 20
        assert Satellite().read(row).data.shape == (3, 32, 32)
    assert {row.window.size for row in rest if row.window} == {(32, 32)} and {row.path.stem for row in rest} == {f"tile_{d}" for d in DATES}
    assert notes == (f"fields{suffix}: 12 polygons of 3 classes became chips of 32 pixels.",)


def test_size_of_chips_follows_the_polygons_or_the_recipe(scenes: Path) -> None:
    assert rows_of(scenes, fields(scenes), label_field="crop", chip=64)[0][0].window == ((0, 0), (64, 64))  # moved to lie inside
    wide = geopandas.GeoDataFrame({"crop": ["a"]}, geometry=[square(50, 50, 90)], crs=32632)
    wide.to_file(scenes / "wide.gpkg")
    assert rows_of(scenes, scenes / "wide.gpkg", label_field="crop")[0][0].window == ((47, 47), (96, 96))


def test_ground_outside_polygons_gives_labels_only_when_asked(scenes: Path) -> None:
    file = fields(scenes)
    assert {row.label for row in rows_of(scenes, file, label_field="crop")[0]} == set(CLASSES)
    labelled, rest, notes = rows_of(scenes, file, label_field="crop", background="other")
    outside = [row for row in labelled if row.label == "other"]
    assert len(outside) == 4 and notes[-1] == "fields.gpkg: 4 windows outside every polygon are labelled other (reader.background)."
    corners = [(row.window.top, row.window.left) for row in outside if row.window]
    for top, left in corners:  # fields lie at rows and columns 20 to 40, 90 to 110 and so on
        assert not any(
            top < 40 + 70 * j and top + 32 > 20 + 70 * j and left < 40 + 70 * i and left + 32 > 20 + 70 * i
            for j in range(3)
            for i in range(4)
        )
    assert all(abs(a[0] - b[0]) >= 32 or abs(a[1] - b[1]) >= 32 for a in corners for b in corners if a != b), "two dates of one place"
    assert len(set(corners)) == 4 and {row.group for row in outside} == {None}
    assert not {row.id for row in outside} & {row.id for row in rest}


def test_fields_without_a_class_are_no_background(scenes: Path) -> None:
    """A field whose crop nobody knows, as wide as the scene: no window is left outside."""
    shapes = [square(20, 20, 20), square(90, 20, 20), square(0, 60, 299)]
    frame = geopandas.GeoDataFrame({"crop": ["a", "b", None]}, geometry=shapes, crs=32632)
    frame.to_file(scenes / "some.gpkg")
    labelled, _, notes = rows_of(scenes, scenes / "some.gpkg", label_field="crop", background="other")
    for chosen in (r.window for r in labelled if r.label == "other" and r.window):
        assert chosen.top + chosen.height <= 60
        assert not any(chosen.top < 46 and chosen.left < left + 32 and chosen.left + 32 > left for left in (14, 84)), "a chip's ground"
    assert notes[-1] == "some.gpkg: 1 windows outside every polygon are labelled other (reader.background)."


def test_nodata_gives_way_to_the_next_date(scenes: Path) -> None:
    hole = np.full((3, 300, 300), 500, dtype=np.uint16)
    hole[:, :120] = 0
    write_tif(scenes / "tile_20220615.tif", hole, names=("blue", "green", "red"), nodata=0)
    labelled, _, _ = rows_of(scenes, fields(scenes), label_field="crop", date_field="seen")
    assert [row.path.stem for row in labelled[6:]] == ["tile_20220701"] * 2 + ["tile_20220615"] * 4  # rows 90 to 110 lie in the hole


def test_a_file_of_several_layers_is_asked_about(scenes: Path) -> None:
    file = fields(scenes)
    other = geopandas.GeoDataFrame({"road": ["A1"]}, geometry=[square(0, 0, 10)], crs=32632)
    other.to_file(file, layer="roads")
    with pytest.raises(DataError, match=r"holds several layers; say which one with reader.layer=… \(fields, roads\)"):
        rows_of(scenes, file, label_field="crop")
    assert len(rows_of(scenes, file, label_field="crop", layer="fields")[0]) == 12
    import pyogrio

    styles = pandas.DataFrame({"style": ["x"]})  # as QGIS keeps them
    (scenes / "qgis").mkdir()
    pyogrio.write_dataframe(styles, fields(scenes / "qgis").rename(scenes / "styled.gpkg"), layer="layer_styles")
    assert len(rows_of(scenes, scenes / "styled.gpkg", label_field="crop")[0]) == 12
    with pytest.raises(DataError, match=r"reader.layer: fields.gpkg has no layer 'x'; it has fields, roads"):
        rows_of(scenes, file, label_field="crop", layer="x")


def test_polygons_outside_are_left_out_and_counted(scenes: Path) -> None:
    shapes = [square(20, 20, 20), square(5000, 20, 20)]
    geopandas.GeoDataFrame({"crop": ["a", "b"]}, geometry=shapes, crs=32632).to_file(scenes / "some.gpkg")
    labelled, _, notes = rows_of(scenes, scenes / "some.gpkg", label_field="crop")
    assert len(labelled) == 1 and notes[1] == "some.gpkg: 1 polygon lies in no scene and is left out."


def test_a_cloudless_scene_comes_before_a_nearer_cloudy_one(tmp_path: Path) -> None:
    from shapely.geometry import box

    cloudy = safe(tmp_path / "a")  # its upper left quarter is cloud
    clear = safe(tmp_path / "b", "L1C")
    shape = box(600_100, 5_399_700, 600_300, 5_399_900)
    geopandas.GeoDataFrame({"crop": ["a"]}, geometry=[shape], crs=32632).to_file(tmp_path / "x.gpkg")
    rows, _ = Satellite().shapes(tmp_path / "x.gpkg", LabelFields("crop"), [Row("a", cloudy), Row("b", clear)]) or ([], [])
    assert rows[0].path == clear


@pytest.mark.parametrize(
    "data, said",
    [
        ({}, r"fields\.gpkg: say which field holds the class: data\.label_field=… \(crop, seen\)"),
        ({"label_field": "corp"}, r"data\.label_field: fields\.gpkg has no field 'corp'; did you mean crop\?"),
        ({"label_field": "crop", "date_field": "when"}, r"data\.date_field: fields\.gpkg has no field 'when'; it has crop, seen"),
        ({"label_field": "crop", "date_field": "crop"}, r"fields\.gpkg feature 1: crop is 'maize'; write dates as 2022-06-05"),
    ],
)
def test_faults_name_file_and_field(scenes: Path, data: dict, said: str) -> None:
    with pytest.raises(DataError, match=said):
        rows_of(scenes, fields(scenes), **data)


def test_files_that_hold_nothing_usable_are_one_sentence(scenes: Path) -> None:
    (scenes / "broken.gpkg").write_bytes(b"no")
    with pytest.raises(DataError, match=r"broken\.gpkg: cannot be read as vector data"):
        rows_of(scenes, scenes / "broken.gpkg", label_field="crop")
    geopandas.GeoDataFrame({"crop": [None]}, geometry=[square(1, 1, 5)], crs=32632).to_file(scenes / "empty.gpkg")
    with pytest.raises(DataError, match=r"empty\.gpkg: no feature has a shape and a value of crop"):
        rows_of(scenes, scenes / "empty.gpkg", label_field="crop")
    geopandas.GeoDataFrame({"crop": ["a"]}, geometry=[square(9000, 1, 5)], crs=32632).to_file(scenes / "far.gpkg")
    with pytest.raises(DataError, match=r"far\.gpkg: none of its 1 polygon lies in any of 2 scenes \(they lie at longitude.*\); check the"):
        rows_of(scenes, scenes / "far.gpkg", label_field="crop")


def test_a_chip_lies_on_its_shape(scenes: Path) -> None:
    """Not between the parts of one, nor in the hole of a ring, where something else grows."""
    parts = MultiPolygon([square(20, 20, 20), square(250, 250, 10)])
    ring = Polygon(square(100, 100, 90).exterior.coords, [square(105, 105, 80).exterior.coords])  # type: ignore[attr-defined]
    geopandas.GeoDataFrame({"crop": ["a", "b"]}, geometry=[parts, ring], crs=32632).to_file(scenes / "some.gpkg")
    labelled, _, notes = rows_of(scenes, scenes / "some.gpkg", label_field="crop", chip=8)
    assert labelled[0].window == ((26, 26), (8, 8))  # the middle of the larger part
    window = labelled[1].window
    assert window is not None
    middle = Point(LEFT + 10 * (window.left + 4), TOP - 10 * (window.top + 4))
    assert ring.distance(middle) < 10 and "some.gpkg: of 1 polygon in several parts the largest part gives the chip." in notes


def test_shapes_over_images_without_coordinates_are_one_sentence(tmp_path: Path) -> None:
    write_tif(tmp_path / "a.tif", np.ones((3, 8, 8), dtype=np.uint16), placed=False)
    with pytest.raises(DataError, match=r"fields\.gpkg: no image has coordinates for its 12 polygons; give a table with path and label"):
        rows_of(tmp_path, fields(tmp_path), label_field="crop")
