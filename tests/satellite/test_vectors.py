"""Vector files of every kind that people send, and what of them gives no label is counted."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import geopandas
import numpy as np
import pandas
import pytest
from labelfree_satellite import Satellite
from labelfree_satellite.vectors import ShapeFields, is_vector, read_vectors
from shapely.geometry import Point, Polygon, box

from labelfree.data.manifest import Manifest, load_manifest
from labelfree.errors import DataError
from labelfree.recipe import Data
from tests.satellite.files import write_tif

LEFT, TOP = 500_000, 5_300_000  # upper left corner of the scene, 10 m a pixel


def square(number: int, side: int = 20) -> Polygon:
    """A field of the scene, its upper left pixel in a 4 x 3 pattern."""
    left, top = LEFT + 10 * (20 + 70 * (number % 4)), TOP - 10 * (20 + 70 * (number // 4))
    return box(left, top - 10 * side, left + 10 * side, top)


def frame(crops: list[object], shapes: list[object] | None = None) -> geopandas.GeoDataFrame:
    return geopandas.GeoDataFrame({"crop": crops}, geometry=shapes or [square(n) for n in range(len(crops))], crs=32632)


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    write_tif(tmp_path / "scenes_tile_20220401.tif", np.full((3, 300, 300), 7, dtype=np.uint16), names=("blue", "green", "red"))
    return tmp_path


def load(root: Path, file: Path, **data: object) -> Manifest:
    return load_manifest(Data(root=root, labels=file, label_field="crop", **data), Satellite())  # type: ignore[arg-type]


def counted(found: Manifest) -> dict[str, int]:
    return {name: sum(row.label == name for row in found.rows) for name in found.classes}


CROPS = ["maize", "wheat", "fallow"] * 4


def saved(folder: Path, kind: str) -> Path:
    """The same twelve fields in a file of that kind."""
    table, file = frame(list(CROPS)), folder / f"fields{kind}"
    if kind == ".shp.zip":
        (folder / "inner").mkdir()
        table.to_file(folder / "inner" / "fields.shp")
        with zipfile.ZipFile(file, "w") as archive:
            for part in sorted((folder / "inner").iterdir()):
                archive.write(part, f"download/{part.name}")
    elif kind in (".parquet", ".geoparquet", ".pq"):
        table.to_parquet(file)
    elif kind == ".json":
        table.to_crs(4326).to_file(file, driver="GeoJSON")
    else:
        (table.to_crs(4326) if kind in (".kml", ".geojson") else table).to_file(file)
    return file


KINDS = [".gpkg", ".shp", ".geojson", ".fgb", ".kml", ".gml", ".json", ".parquet", ".geoparquet", ".pq", ".shp.zip", ".gdb"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_read_alike(scene: Path, kind: str) -> None:
    file = saved(scene, kind)
    found = load(scene, file)
    assert counted(found) == {"fallow": 4, "maize": 4, "wheat": 4}
    assert f"{file.name}: 12 polygons of 3 classes became chips of 32 pixels." in found.notes
    assert {row.window for row in found.labelled} == {((14 + 70 * j, 14 + 70 * i), (32, 32)) for j in range(3) for i in range(4)}


def test_names_of_a_kml_may_be_the_classes(scene: Path) -> None:
    table = frame(["a", "b"]).rename(columns={"crop": "Name"}).to_crs(4326)
    table.to_file(scene / "x.kml")
    with pytest.raises(DataError, match=r"x\.kml: say which field holds the class: data\.label_field=… \((id, )?Name\)"):
        load_manifest(Data(root=scene, labels=scene / "x.kml"), Satellite())
    found = load_manifest(Data(root=scene, labels=scene / "x.kml", label_field="Name"), Satellite())
    assert found.classes == ("a", "b")


def test_plain_parquet_json_and_zip_stay_what_they_are(tmp_path: Path) -> None:
    pandas.DataFrame({"path": ["a.tif"], "label": ["x"]}).to_parquet(tmp_path / "a.parquet")
    (tmp_path / "coco.json").write_text(json.dumps({"images": [], "annotations": []}))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.tif", b"")
    assert [is_vector(tmp_path / name) for name in ("a.parquet", "coco.json", "a.zip", "none.json", "none.parquet")] == [False] * 5


@pytest.mark.parametrize("kind", [".gpkg", ".shp", ".geojson", ".kml", ".parquet"])
def test_blank_classes_are_none_and_are_counted(scene: Path, kind: str) -> None:
    table = frame(["maize ", "wheat", "", " maize", None, "  ", "maize", "wheat", "NA"])
    file = scene / f"fields{kind}"
    table.to_parquet(file) if kind == ".parquet" else table.to_crs(4326).to_file(file)
    found = load(scene, file)
    assert counted(found) == {"maize": 3, "wheat": 2}
    assert f"fields{kind}: 4 polygons without a value of crop are left out." in found.notes
    assert f"fields{kind}: NA stands for a missing crop in 1 row; rename what is a class." in found.notes
    assert read_vectors(file, ShapeFields("crop")).notes == found.notes[1:]


@pytest.mark.parametrize("kind", [".gpkg", ".geojson", ".parquet"])
def test_whole_numbers_beside_a_null_stay_whole(scene: Path, kind: str) -> None:
    table = frame([0, 1, None, 1]).astype({"crop": "Int64"})
    file = scene / f"fields{kind}"
    table.to_parquet(file) if kind == ".parquet" else table.to_file(file)
    found = load(scene, file)
    assert counted(found) == {"0": 1, "1": 2}
    assert f"fields{kind}: 1 polygon without a value of crop is left out." in found.notes


def test_features_without_a_shape_and_shapes_that_are_not_valid_are_counted(scene: Path) -> None:
    corners = square(1).exterior.coords
    crossed = Polygon([corners[0], corners[2], corners[1], corners[3]])
    frame(["a", "b", "a"], [square(0), None, crossed]).to_file(scene / "x.gpkg")
    found = load(scene, scene / "x.gpkg")
    assert counted(found) == {"a": 2}
    assert found.notes[1:3] == (
        "x.gpkg: 1 polygon without a shape is left out.",
        "x.gpkg: 1 polygon has an outline that is not valid and is taken as it stands in the file.",
    )


def test_points_are_features(scene: Path) -> None:
    shapes = [Point(LEFT + 500, TOP - 500), Point(LEFT + 1500, TOP - 500), Point(LEFT + 2000, TOP - 500)]
    frame(["a", "b", None], shapes).to_file(scene / "x.gpkg")
    found = load(scene, scene / "x.gpkg")
    assert counted(found) == {"a": 1, "b": 1} and "x.gpkg: 1 feature without a value of crop is left out." in found.notes


def test_a_survey_tells_what_was_left_out(scene: Path) -> None:
    import labelfree

    frame(["a", "b", "", "a", "b"]).to_file(scene / "x.gpkg")
    lines = labelfree.show_data(scene, {"data.labels": scene / "x.gpkg", "data.label_field": "crop"}, "satellite").lines()
    assert "  x.gpkg: 1 polygon without a value of crop is left out." in list(lines)


@pytest.mark.parametrize(
    "name, content, said",
    [
        ("x.kml", "<kml>", "cannot be read as vector data"),
        ("x.parquet", "no", "not a Parquet table"),
        ("x.geoparquet", "no", "cannot be read as vector data"),
        ("x.dxf", "0", "CSV or Parquet table .* or a vector file"),
        ("x.zip", "PK", "CSV or Parquet table .* or a vector file"),
        ("x.xlsx", "PK\x03\x04", "CSV or Parquet table .* or a vector file"),
    ],
)
def test_other_files_are_one_sentence(scene: Path, name: str, content: str, said: str) -> None:
    (scene / name).write_text(content)
    with pytest.raises(DataError, match=said):
        load(scene, scene / name)


def test_several_files_in_an_archive_and_layers_are_asked_about(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a.geojson", ""), archive.writestr("b.geojson", "")
    with pytest.raises(DataError, match=r"x\.zip: holds several vector files \(a\.geojson, b\.geojson\); unpack it and name one"):
        read_vectors(tmp_path / "x.zip", ShapeFields("crop"))
    frame(["a"]).to_parquet(tmp_path / "x.parquet")
    with pytest.raises(DataError, match=r"reader\.layer: x\.parquet has no layer 'y'; it has x"):
        read_vectors(tmp_path / "x.parquet", ShapeFields("crop", layer="y"))


def test_files_without_features_or_fields_say_so(scene: Path) -> None:
    frame(["a", "b"]).iloc[:0].to_file(scene / "none.gpkg")
    (scene / "none.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    for name in ("none.gpkg", "none.geojson"):
        with pytest.raises(DataError, match=rf"{name}: holds no feature; export it again"):
            load(scene, scene / name)
    frame(["a", "b"]).to_file(scene / "x.shp")
    with pytest.raises(DataError, match=r"x\.dbf: belongs to the Shapefile x\.shp; name that one"):
        load(scene, scene / "x.dbf")
    (scene / "x.dbf").unlink()
    with pytest.raises(DataError, match=r"x\.shp: its features have no field; its \.dbf is missing"):
        load(scene, scene / "x.shp")
