"""Polygons of a vector file as objects drawn on scenes, and what pixels show of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labelfree_satellite import Satellite
from labelfree_satellite.drawn_shapes import DrawnShapes
from labelfree_satellite.grids import Grid
from labelfree_satellite.vectors import ShapeFields, Vectors, read_vectors
from PIL import Image
from rasterio.features import geometry_mask
from rasterio.transform import Affine
from shapely.geometry import LinearRing, MultiPolygon, Point, Polygon

import labelfree
from labelfree.data.box_labels import box_labels
from labelfree.data.label_formats.regions import Outline
from labelfree.data.label_formats.rows import rows_of_listing
from labelfree.data.label_formats.sources import listing_of
from labelfree.data.manifest import Manifest, load_manifest
from labelfree.data.pixel_labels import BACKGROUND, PixelLabels, pixel_labels
from labelfree.domain import IGNORE, Row, Window
from labelfree.progress import Silent
from labelfree.recipe import Data
from tests.satellite.files import write_tif
from tests.satellite.test_polygons import LEFT, TOP, square

DOMAIN = Satellite()
SCENE = (100, 120)
GRID = Grid("EPSG:32632", (10, 0, LEFT, 0, -10, TOP), *SCENE)


def placed(folder: Path, shapes: list[Any], classes: list[str | None], crs: int = 4326, **columns: Any) -> tuple[Manifest, PixelLabels]:
    """A scene with these shapes in longitude and latitude, labelled by chips, and what their pixels show."""
    return on_scenes(folder, ["tile_20220401"], shapes, classes, crs, **columns)


def on_scenes(
    folder: Path, scenes: list[str], shapes: list[Any], classes: list[str | None], crs: int = 4326, background: str | None = None,
    **columns: Any,
) -> tuple[Manifest, PixelLabels]:  # fmt: skip
    noise = np.random.default_rng(0).integers(1, 3000, (3, *SCENE)).astype(np.uint16)
    for scene in scenes:
        write_tif(folder / f"{scene}.tif", noise, names=("blue", "green", "red"))
    geopandas.GeoDataFrame({"crop": classes, **columns}, geometry=shapes, crs=32632).to_crs(crs).to_file(folder / "fields.gpkg")
    dated = "seen" if "seen" in columns else None
    domain = Satellite(chip=64, background=background)
    manifest = load_manifest(Data(root=folder, labels=folder / "fields.gpkg", label_field="crop", date_field=dated), domain)
    return manifest, pixel_labels(manifest.rows, domain, domain.read, manifest.renamed)


def shown(manifest: Manifest, labels: PixelLabels, number: int) -> tuple[np.ndarray, Window]:
    row = next(row for row in manifest.rows if row.id == f"fields.gpkg#{number}")
    assert row.window is not None
    return labels.mask(row, DOMAIN.read(row)), row.window


def of_scene(window: Window, mask: np.ndarray) -> np.ndarray:
    """The scene with a chip's mask in it, -9 elsewhere."""
    scene = np.full(SCENE, -9)
    scene[window.top : window.top + window.height, window.left : window.left + window.width] = mask
    return scene


def test_classes_ignored_ground_and_background(tmp_path: Path) -> None:
    shapes, crops = [square(10, 20, 30), square(60, 50, 20), square(45, 20, 10)], ["wheat", "maize", None]
    manifest, labels = placed(tmp_path, shapes, crops)
    assert labels.classes == ("maize", "wheat") and not labels.faults
    mask, window = shown(manifest, labels, 0)
    scene = of_scene(window, mask)
    assert (scene[20:50, 10:40] == 1).all() and (scene == 1).sum() == 900 and (scene == IGNORE).sum() == 64 * 64 - 900 - (scene == 0).sum()
    assert (scene[50:70, 60:80] != 1).all() and set(labels.pixels) == {"fields.gpkg#0", "fields.gpkg#1"}
    manifest, labels = on_scenes(tmp_path, ["tile_20220401"], shapes, crops, background="other")
    assert labels.classes == (BACKGROUND, "maize", "wheat")
    mask, window = shown(manifest, labels, 0)
    scene = of_scene(window, mask)
    assert (scene[20:30, 45:55] == IGNORE).all(), "a field whose crop nobody knows is no background"
    assert (scene == 2).sum() == 900 and (scene == IGNORE).sum() == 100 and (scene == 0).sum() > 1000
    negatives = [row.id for row in manifest.rows if row.label == "other"]
    assert all(labels.pixels[name] == {BACKGROUND: 64 * 64} for name in negatives)


def test_shapes_have_the_boxes_around_them_and_nobody_knows_what_lies_beyond(tmp_path: Path) -> None:
    shapes, crops = [square(10, 20, 30), square(60, 50, 20), square(45, 20, 10)], ["wheat", "maize", None]
    for background in (None, "other"):
        manifest, _ = on_scenes(tmp_path, ["tile_20220401"], shapes, crops, background=background)
        domain = Satellite(chip=64, background=background)
        labels = box_labels(manifest.rows, domain, domain.read)
        row = next(row for row in manifest.rows if row.id == "fields.gpkg#0")
        assert row.window is not None and labels.classes == ("maize", "wheat") and not labels.faults
        boxes, corner = labels.boxes(row), np.array([row.window.left, row.window.top] * 2)
        wheat = boxes.corners[(boxes.label == 1) & ~boxes.ignored] + corner
        np.testing.assert_allclose(wheat, [[10, 20, 40, 50]], atol=0.01)
        whole, field = np.array([0, 0, 64, 64]) + corner, [45, 20, 55, 30]  # a field whose crop nobody knows
        np.testing.assert_allclose(boxes.corners[boxes.ignored] + corner, [field if background else whole], atol=0.01)
        assert len(labels.notes) == (background is None)
        assert set(labels.objects) >= {"fields.gpkg#0", "fields.gpkg#1"}


def test_shapes_called_as_the_background_are_background_and_a_class_lies_above_what_nobody_knows(tmp_path: Path) -> None:
    shapes, crops = [square(10, 20, 30), square(60, 20, 30), square(0, 0, 60)], ["wheat", "other", None]
    manifest, labels = on_scenes(tmp_path, ["tile_20220401"], shapes, crops, background="other")
    assert labels.classes == (BACKGROUND, "wheat")
    scene = of_scene(*reversed(shown(manifest, labels, 0)))
    assert (scene[20:50, 10:40] == 1).all() and (scene[22:48, 62] == 0).all() and (scene[5:20, 5:60] == IGNORE).all()


def test_holes_islands_and_lines(tmp_path: Path) -> None:
    ring = Polygon(square(10, 10, 60).exterior.coords, [square(20, 20, 40).exterior.coords])  # type: ignore[attr-defined]
    both = MultiPolygon([square(30, 30, 10), ring])  # type: ignore[list-item]
    manifest, labels = placed(tmp_path, [both, Point(LEFT + 15, TOP - 15)], ["wheat", "maize"], crs=32632)
    scene = of_scene(*reversed(shown(manifest, labels, 0)))
    assert (scene[10:20, 10:64] == 0).all() and (scene[22:28, 22:58] == IGNORE).all() and (scene[30:40, 30:40] == 0).all()
    assert labels.classes == ("wheat",) and any("encloses nothing" in note or "enclose nothing" in note for note in labels.notes)


def test_what_stood_there_on_another_date_is_ignored(tmp_path: Path) -> None:
    shapes, crops = [square(10, 20, 20), square(10, 20, 20), square(35, 20, 20)], ["wheat", "maize", "rape"]
    seen = ["2022-04-10", "2022-06-28", "2022-06-28"]
    manifest, labels = on_scenes(tmp_path, ["tile_20220401", "tile_20220701"], shapes, crops, seen=seen, background="other")
    spring, summer = (of_scene(*reversed(shown(manifest, labels, number))) for number in (0, 1))
    names = [labels.classes.index(name) for name in ("wheat", "maize", "rape")]
    assert (spring[20:40, 10:30] == names[0]).all() and (summer[20:40, 10:30] == names[1]).all()
    assert (spring[20:40, 35:55] == IGNORE).all() and (summer[20:40, 35:55] == names[2]).all()


def vectors_of(shapes: list[Any], names: list[str], folder: Path) -> Vectors:
    geopandas.GeoDataFrame({"crop": names}, geometry=shapes, crs=32632).to_file(folder / "x.gpkg")
    return read_vectors(folder / "x.gpkg", ShapeFields("crop"))


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10**6), st.integers(0, 50), st.integers(0, 60))
def test_one_answer_for_the_same_shapes_in_a_mask_a_coco_file_and_a_vector_file(
    tmp_path_factory: pytest.TempPathFactory, seed: int, top: int, left: int
) -> None:
    folder = tmp_path_factory.mktemp("same")
    draw = np.random.default_rng(seed)
    rings = [np.round(draw.uniform((0, 0), (120, 100), (int(draw.integers(3, 7)), 2)), 1) for _ in range(4)]
    names = ["pit", "rust", "pit", "dust"]
    write_tif(folder / "a.tif", draw.integers(1, 3000, (1, *SCENE)).astype(np.uint16), names=("red",))
    segments = [
        {
            "id": n,
            "image_id": 1,
            "category_id": ["pit", "rust", "dust"].index(name) + 1,
            "bbox": box(ring),
            "segmentation": [ring.ravel().tolist()],
        }
        for n, (ring, name) in enumerate(zip(rings, names, strict=True), start=1)
    ]
    categories = [{"id": n, "name": name} for n, name in enumerate(("pit", "rust", "dust"), start=1)]
    image = {"id": 1, "file_name": "a.tif", "width": 120, "height": 100}
    (folder / "coco.json").write_text(json.dumps({"images": [image], "annotations": segments, "categories": categories}))
    listing = listing_of(folder / "coco.json", folder)
    assert listing is not None
    [drawn], _ = rows_of_listing(listing, folder / "coco.json", [Row("a.tif", folder / "a.tif")], folder, {})
    coco = pixel_labels([drawn], DOMAIN, DOMAIN.read)
    mask = coco.mask(drawn, DOMAIN.read(drawn))
    Image.fromarray(np.where(mask == IGNORE, 255, mask).astype(np.uint8)).save(folder / "mask.png")
    masked = Row("a.tif", folder / "a.tif", mask=str(folder / "mask.png"))
    numbers = {str(number): name for number, name in enumerate(coco.classes) if number}
    read = pixel_labels([masked], DOMAIN, DOMAIN.read, numbers)
    assert np.array_equal(read.mask(masked, DOMAIN.read(masked)), mask) and read.pixels == coco.pixels
    shapes = [Polygon([(LEFT + 10 * x, TOP - 10 * y) for x, y in ring]) for ring in rings]
    drawn_shapes = DrawnShapes(folder / "x.gpkg", vectors_of(shapes, names, folder), ShapeFields("crop", background="other"))
    window = Window((top, left), (50, 60))
    chip = Row("x#0", folder / "a.tif", window=window, listed=drawn_shapes.listed("a.tif", GRID, window, {}))
    whole = Row("x#1", folder / "a.tif", listed=drawn_shapes.listed("a.tif", GRID, None, {}))
    vector = pixel_labels([chip, whole], DOMAIN, DOMAIN.read)
    seen = vector.mask(whole, DOMAIN.read(whole))
    assert (seen != mask).sum() <= 2, "coordinates of a map are rounded otherwise than those of a picture"
    assert np.array_equal(vector.mask(chip, DOMAIN.read(chip)), seen[top : top + 50, left : left + 60])


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.floats(0, 120), st.floats(0, 100)), min_size=3, max_size=3))
def test_an_outline_holds_the_pixels_whose_centres_lie_in_it_but_for_its_edge(points: list[tuple[float, float]]) -> None:
    ring, shape = np.array(points), Polygon([(LEFT + 10 * x, TOP - 10 * y) for x, y in points])
    inside = ~geometry_mask([shape], SCENE, Affine(*GRID.transform))
    rows, columns = np.nonzero(Outline((ring,)).mask(*SCENE) != inside)
    edge = LinearRing(points)
    assert all(edge.distance(Point(column + 0.5, row + 0.5)) <= 1 for row, column in zip(rows, columns, strict=True))


def box(ring: np.ndarray) -> list[float]:
    return [*ring.min(0).tolist(), *np.ptp(ring, axis=0).tolist()]


def test_annotations_of_a_vector_file_are_in_pixels_of_its_chips(tmp_path: Path) -> None:
    placed(tmp_path, [square(10, 20, 30), square(60, 50, 20)], ["wheat", "maize"], crs=32632)
    said = {"data.label_field": "crop", "reader.chip": 40, "data.classes": {"maize": "corn"}}
    found = labelfree.annotations(tmp_path, tmp_path / "fields.gpkg", "satellite", overrides=said, say=Silent())
    assert found.form == "a vector file" and found.classes == ("corn", "wheat") and not found.faults
    assert found.states == {"objects": 2, "unlabelled": len(found.images) - 2}
    chip = found.images["fields.gpkg#0"]
    assert [(each.name, each.box) for each in chip.objects] == [("wheat", (5, 5, 35, 35))] and chip.pixels() == {"wheat": 900}
    assert found.images["fields.gpkg#1"].pixels() == {"corn": 400} and chip.size == (40, 40)
    faults = labelfree.annotations(
        tmp_path, tmp_path / "fields.gpkg", "satellite", overrides={**said, "data.classes": {"rye": "x"}}, say=Silent()
    ).faults
    assert faults == ("data.classes: no object is of class 'rye' (there is maize, wheat); correct the name.",)
