"""Maps of classes: what is written strip by strip is what plain arithmetic on the whole image gives, on the image's grid."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import labelfree
from labelfree.deploy.map_heads import MapsHead
from labelfree.domain import NOTHING
from labelfree.errors import DataError
from labelfree.progress import Silent
from labelfree.transfer.encoders import Encoder
from labelfree.transfer.tiles.tiling import covering, tent
from labelfree.views import PerChannel
from tests.deploy.made_heads import CLASSES, by_image, map_head, network, scene, statistics
from tests.small_runs import table

rasterio = pytest.importorskip("rasterio")
SIDE = 64


@pytest.fixture(autouse=True)
def scenes_are_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is a scene here, and so read in strips, is an image of more than 100 x 100 pixels."""
    from labelfree_satellite import grids, satellite

    monkeypatch.setattr(grids, "WHOLE", 100 * 100)
    monkeypatch.setattr(satellite, "SMALL_FILE", 1000)


def whole(head: MapsHead, pixels: np.ndarray) -> np.ndarray:
    """(K, H, W) shares of an image that stands in memory, each tile at a time."""
    height, width = pixels.shape[1:]
    total, weight = np.zeros((len(CLASSES), height, width)), np.zeros((height, width))
    for top, left in product(covering(height, SIDE), covering(width, SIDE)):
        at = (slice(top, top + SIDE), slice(left, left + SIDE))
        tile = torch.from_numpy(pixels[:, *at].astype(np.float32))[None]
        shares = head.head(head.encoder.maps(tile, None, (SIDE, SIDE)), (SIDE, SIDE)).softmax(1)[0]
        total[:, *at] += shares.detach().numpy() * tent((SIDE, SIDE))
        weight[at] += tent((SIDE, SIDE))
    return total / weight


@pytest.mark.parametrize("made", [statistics, network])
def test_a_scene_is_mapped_in_strips_as_if_it_stood_in_memory(made: Callable[[], Encoder], tmp_path: Path) -> None:
    pixels = scene(tmp_path / "scene.tif", 300, 210)
    file = map_head(tmp_path / "head.safetensors", made())
    shares = whole(labelfree.load_head(file), pixels)
    labelfree.predict(file, tmp_path / "scene.tif", tmp_path / "out", say=Silent())
    with rasterio.open(tmp_path / "out" / "maps" / "scene.tif") as classes, rasterio.open(tmp_path / "scene.tif") as source:
        told = classes.read(1)
        assert (classes.crs, classes.transform, classes.shape) == (source.crs, source.transform, source.shape)
        assert classes.nodata == 255 and classes.profile["compress"] == "deflate" and classes.profile["tiled"]
        assert classes.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert classes.tags()["classes"] == "0=background, 1=water, 2=wood" and len({classes.colormap(1)[i] for i in range(3)}) == 3
    with rasterio.open(tmp_path / "out" / "maps" / "scene_confidence.tif") as confidence:
        percent = confidence.read(1)
    ordered = np.sort(shares, 0)
    clear = ordered[-1] - ordered[-2] > 1e-4
    assert clear.mean() > 0.99 and len(np.unique(told)) > 1
    np.testing.assert_array_equal(told[clear], shares.argmax(0)[clear])
    np.testing.assert_allclose(percent, 100 * shares.max(0), atol=0.51)
    row = table(tmp_path / "out" / "predictions.csv")[0]
    assert (row["path"], row["map"]) == ("scene.tif", "maps/scene.tif")
    assert float(row["percent_water"]) == pytest.approx(100 * (told == 1).mean(), abs=1e-3)


def test_statistics_are_those_of_the_whole_scene(tmp_path: Path) -> None:
    """Normalised in one piece and shown to the network tile by tile, a scene is mapped the same."""
    pixels = scene(tmp_path / "scene.tif", 300, 210).astype(np.float64)
    head: MapsHead = labelfree.load_head(map_head(tmp_path / "head.safetensors", by_image()))
    normal = (pixels - pixels.mean((1, 2), keepdims=True)) / pixels.std((1, 2), ddof=1, keepdims=True)
    plain = map_head(tmp_path / "plain.safetensors", network(PerChannel((0.0,) * 4, (1.0,) * 4)))
    expected = whole(labelfree.load_head(plain), normal)
    np.testing.assert_allclose(head.predict(tmp_path / "scene.tif").confidence, expected.max(0), atol=1e-4)


def test_what_is_said_does_not_depend_on_how_an_image_is_read(tmp_path: Path) -> None:
    """One image in memory, and the same in strips."""
    pixels = scene(tmp_path / "scene.tif", 200, 150)
    head: MapsHead = labelfree.load_head(map_head(tmp_path / "head.safetensors", statistics()))
    said = head.predict(tmp_path / "scene.tif")
    np.testing.assert_allclose(said.confidence, whole(head, pixels).max(0), atol=1e-5)
    assert said.classes == CLASSES and sum(map(said.share, CLASSES)) == pytest.approx(1)


def test_an_image_smaller_than_a_tile(tmp_path: Path) -> None:
    scene(tmp_path / "small.tif", 40, 90)
    head: MapsHead = labelfree.load_head(map_head(tmp_path / "head.safetensors", network()))
    said = head.predict(tmp_path / "small.tif")
    assert said.numbers.shape == (40, 90) and (said.numbers != NOTHING).all()


def test_where_nothing_is_measured_nothing_is_said(tmp_path: Path) -> None:
    gap = (slice(100, 180), slice(0, 70))
    scene(tmp_path / "scene.tif", 300, 150, nodata=0, gap=gap)
    labelfree.predict(map_head(tmp_path / "head.safetensors", statistics()), tmp_path / "scene.tif", tmp_path / "out", say=Silent())
    with rasterio.open(tmp_path / "out" / "maps" / "scene.tif") as classes:
        there = classes.read(1) != classes.nodata
    expected = np.ones((300, 150), bool)
    expected[gap] = False
    np.testing.assert_array_equal(there, expected)


def test_a_region_and_polygons(tmp_path: Path) -> None:
    geopandas = pytest.importorskip("geopandas")
    from shapely.geometry import box

    scene(tmp_path / "scene.tif", 300, 210)
    area = box(500_000 + 200, 5_400_000 - 2500, 500_000 + 1500, 5_400_000 - 700)  # columns 20 to 150, rows 70 to 250
    geopandas.GeoDataFrame(geometry=[area], crs="EPSG:32632").to_crs(4326).to_file(tmp_path / "aoi.gpkg")
    file = map_head(tmp_path / "head.safetensors", statistics())
    done = labelfree.predict(
        file, tmp_path / "scene.tif", tmp_path / "out", region=tmp_path / "aoi.gpkg", vector=tmp_path / "found.gpkg", say=Silent()
    )
    assert done.files[0] == tmp_path / "found.gpkg"
    with rasterio.open(tmp_path / "out" / "maps" / "scene.tif") as classes:
        numbers = classes.read(1)
    inside = np.zeros((300, 210), bool)
    inside[70:250, 20:150] = True
    wrong = (numbers != 255) != inside
    assert wrong.sum() < 2 * (180 + 130), "a line of pixels: the region went through degrees"
    plain = labelfree.predict(file, tmp_path / "scene.tif", tmp_path / "all", say=Silent())
    with rasterio.open(plain.folder / "maps" / "scene.tif") as classes:
        everywhere = classes.read(1)
    np.testing.assert_array_equal(numbers[numbers != 255], everywhere[numbers != 255])
    found = geopandas.read_file(tmp_path / "found.gpkg")
    assert set(found["class"]) <= {"water", "wood"} and found["score"].between(1 / 3, 1).all() and found.crs == "EPSG:32632"
    for number, name in enumerate(CLASSES[1:], start=1):
        assert found[found["class"] == name].area.sum() == pytest.approx(100 * (numbers == number).sum())


def pictures(folder: Path, count: int, height: int, width: int) -> None:
    """`pictures/`: scenes without coordinates."""
    (folder / "pictures").mkdir()
    for at in range(count):
        pixels = scene(folder / "one.tif", height, width, seed=at)
        form = {"driver": "GTiff", "count": 4, "height": height, "width": width, "dtype": "uint16"}
        with rasterio.open(folder / "pictures" / f"{at}.tif", "w", **form) as file:
            file.write(pixels)


def test_pictures_are_mapped_as_pictures(tmp_path: Path) -> None:
    pictures(tmp_path, 3, 70, 90)
    labelfree.predict(map_head(tmp_path / "head.safetensors", statistics()), tmp_path / "pictures", tmp_path / "out", say=Silent())
    assert sorted(path.name for path in (tmp_path / "out" / "maps").iterdir()) == [
        name for at in range(3) for name in (f"{at}.png", f"{at}_confidence.png")
    ]
    with Image.open(tmp_path / "out" / "maps" / "0.png") as picture:
        assert picture.mode == "P" and picture.size == (90, 70) and picture.text["classes"].startswith("0=background, 1=water")
        assert set(np.unique(np.asarray(picture))) <= {0, 1, 2}


def test_objects_of_pictures_are_read_again_as_they_were_found(tmp_path: Path) -> None:
    """The COCO file is read by `labelfree.annotations`: patches of one class cover what the map calls so."""
    pictures(tmp_path, 2, 60, 80)
    head: MapsHead = labelfree.load_head(map_head(tmp_path / "head.safetensors", statistics()))
    done = labelfree.predict(head, tmp_path / "pictures", tmp_path / "out", vector=tmp_path / "pictures" / "found.json", say=Silent())
    assert done.files[0].name == "found.json" and not list((tmp_path / "out").glob("*.jsonl"))
    found = labelfree.annotations(done.files[0], domain="satellite", say=Silent())
    assert not found.faults and len(found.images) == 2
    for name_of_image, image in found.images.items():
        said = head.predict(tmp_path / "pictures" / name_of_image)
        for number, name in enumerate(CLASSES[1:], start=1):
            drawn = [each.mask(60, 80) for each in image.objects if each.name == name]
            np.testing.assert_array_equal(np.any(drawn, axis=0) if drawn else np.zeros((60, 80), bool), said.numbers == number)


@pytest.mark.slow
def test_a_killed_scene_goes_on_in_its_middle(tmp_path: Path) -> None:
    """Killed while it maps a scene, a process that goes on begins with the next strip and ends with the same bytes of pixels."""
    scene(tmp_path / "scene.tif", 1300, 400)
    file = map_head(tmp_path / "head.safetensors", statistics())
    out, mark = tmp_path / "out", tmp_path / "out" / "maps" / ".scene.making.rows"
    begin = "from labelfree_satellite import grids, satellite; grids.WHOLE = 10_000; from labelfree.cli import main; main()"
    command = [sys.executable, "-c", begin, "predict", str(file), str(tmp_path / "scene.tif"), "--out", str(out)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})
    deadline = time.monotonic() + 200
    while not mark.is_file() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL and mark.is_file(), "it was killed in the middle"
    assert not (out / "maps" / "scene.tif").exists()
    subprocess.run(command, check=True, capture_output=True)
    labelfree.predict(file, tmp_path / "scene.tif", tmp_path / "undisturbed", say=Silent())
    for name in ("scene.tif", "scene_confidence.tif"):
        with rasterio.open(out / "maps" / name) as told, rasterio.open(tmp_path / "undisturbed" / "maps" / name) as expected:
            np.testing.assert_array_equal(told.read(), expected.read())
    assert table(out / "predictions.csv") == table(tmp_path / "undisturbed" / "predictions.csv")
    assert sorted(path.name for path in (out / "maps").iterdir()) == ["scene.tif", "scene_confidence.tif"]


def test_a_head_on_another_sensor_is_one_sentence(tmp_path: Path) -> None:
    with rasterio.open(tmp_path / "three.tif", "w", driver="GTiff", count=3, height=32, width=32, dtype="uint16") as file:
        file.write(np.full((3, 32, 32), 1000, np.uint16))
    head = map_head(tmp_path / "head.safetensors", statistics())
    with pytest.raises(DataError, match=r"three\.tif: .*3 bands"):
        labelfree.predict(head, tmp_path / "three.tif", tmp_path / "a", say=Silent())
    pixels = scene(tmp_path / "dark.tif", 64, 64)
    with rasterio.open(tmp_path / "dark.tif", "w", driver="GTiff", count=4, height=64, width=64, dtype="float32") as file:
        file.write((pixels / 10_000).astype(np.float32))
    with pytest.raises(
        DataError, match=r"dark\.tif: float32 values up to .* these weights were taught by values up to 3,000 stored as uint16"
    ):
        labelfree.predict(head, tmp_path / "dark.tif", tmp_path / "b", say=Silent())
