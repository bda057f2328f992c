"""Products in many files open as one scene on one grid; windows are read without the rest."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import rasterio
from labelfree_satellite import Satellite
from labelfree_satellite.products import Product, find_product
from labelfree_satellite.scenes import Scene

from labelfree.data.manifest import load_manifest
from labelfree.data.pool import build_pool
from labelfree.data.windows import in_windows
from labelfree.domain import Row, Window
from labelfree.errors import DataError
from labelfree.progress import Silent
from labelfree.recipe import Data
from tests.satellite.files import write_tif
from tests.satellite.safe import METRES, landsat, layer, safe, zipped


class Told(Silent):
    """Keeps what a person would have been told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


@pytest.mark.parametrize("level", ["L1C", "L2A"])
@pytest.mark.parametrize("as_zip", [False, True])
@pytest.mark.parametrize("offset", [False, True])
def test_a_safe_tells_bands_date_tile_and_offset(tmp_path: Path, level: str, as_zip: bool, offset: bool) -> None:
    path = safe(tmp_path, level, offset)
    found = find_product(zipped(path) if as_zip else path)
    assert found is not None
    assert tuple(found.layers) == tuple(sorted(METRES))  # TCI, AOT and WVP are never bands
    assert (found.date, found.tile) == ("2022-06-05", "32UQD")
    assert found.sensor == f"sentinel-2-{level.lower()}{'-n0400' if offset else ''}"
    assert (found.mask is not None) is (level == "L2A")


def test_a_scene_is_one_stack_on_the_finest_grid(tmp_path: Path) -> None:
    product = find_product(safe(tmp_path))
    assert product is not None
    scene = Scene(product, ["B04", "B11", "B01"])
    assert (scene.grid.height, scene.grid.width, scene.grid.spacing) == (120, 120, (10.0, 10.0))
    data, _, clouds = scene.read()
    valid = ~clouds
    assert data.shape == (3, 120, 120) and data.dtype == np.uint16
    assert [set(np.unique(band)) for band in data] == [{1300}, {1700}, {1000}]
    assert not valid[:60, :60].any() and valid[:60, 60:].all() and valid[60:].all()  # the cloud of the SCL layer, at 20 m
    assert scene.grid.bounds() == (600_000, 5_398_800, 601_200, 5_400_000)


def test_a_window_is_that_part_of_the_whole(tmp_path: Path) -> None:
    folder = tmp_path / "scene"
    ramp = np.arange(120 * 120, dtype=np.uint16).reshape(120, 120)
    layer(folder / "x_B02.tif", 10, ramp, driver="GTiff")
    layer(folder / "x_B03.tif", 10, ramp[::-1].copy(), driver="GTiff")
    product = find_product(folder)
    assert product is not None and product.sensor is None
    scene = Scene(product)
    whole, *_ = scene.read()
    at = Window((31, 17), (20, 40))
    part, _, clouds = scene.read(at)
    np.testing.assert_array_equal(part, whole[:, 31:51, 17:57])
    assert clouds.shape == (20, 40)
    assert scene.grid.bounds(at) == (600_170, 5_400_000 - 510, 600_570, 5_400_000 - 310)
    overview, *_ = scene.read(shape=(12, 12))
    np.testing.assert_allclose(overview[0], ramp.reshape(12, 10, 12, 10).mean((1, 3)), atol=1)


@pytest.mark.parametrize("metres, side", [(20, 60), (60, 20), (5, 240)])
def test_any_grid_may_be_asked_for(tmp_path: Path, metres: int, side: int) -> None:
    product = find_product(safe(tmp_path))
    assert product is not None
    scene = Scene(product, ["B02", "B05"], resolution=metres)
    data, *_ = scene.read()
    assert data.shape == (2, side, side) and set(np.unique(data[1])) == {1400}
    assert scene.grid.spacing == (metres, metres) and scene.grid.bounds() == (600_000, 5_398_800, 601_200, 5_400_000)


def test_a_landsat_folder(tmp_path: Path) -> None:
    found = find_product(landsat(tmp_path))
    assert found is not None
    assert tuple(found.layers) == ("B2", "B3", "B4", "B5", "B10")
    assert (found.sensor, found.date, found.tile, found.mask_kind) == ("landsat-8-9-l2", "2022-06-05", "193027", "qa_pixel")
    _, missing, clouds = Scene(found).read()
    assert clouds[20:, 20:].all() and not clouds[:20].any() and not missing.any()


def test_pixels_without_a_measurement_are_not_valid(tmp_path: Path) -> None:
    folder = tmp_path / "20200101"
    holes = np.full((120, 120), 500)
    holes[5:9] = 0
    for band in ("B02", "B03"):
        path = layer(folder / f"{band}.tif", 10, holes, driver="GTiff")
        with rasterio.open(path, "r+") as file:
            file.nodata = 0
    product = find_product(folder)
    assert product is not None and product.date == "2020-01-01"
    data, missing, _ = Scene(product).read()
    valid = ~missing.any(axis=0)
    assert not valid[5:9].any() and valid[:4].all() and valid[10:].all()
    assert set(np.unique(data[:, valid])) == {500}  # holes do not bleed into their neighbours


@pytest.mark.parametrize("extra", ["visual.tif", "cloud.tif", "LE07_SR_ATMOS_OPACITY.TIF", "TCI.tif", "thumbnail.tif"])
def test_other_pictures_beside_three_bands_are_left_aside(tmp_path: Path, extra: str) -> None:
    for band in ("blue", "green", "nir"):
        layer(tmp_path / "scene" / f"{band}.tif", 10, 1, driver="GTiff")
    layer(tmp_path / "scene" / extra, 10, 1, driver="GTiff")
    found = find_product(tmp_path / "scene")
    assert found is not None and set(found.layers) == {"blue", "green", "nir"}


def test_of_several_resolutions_of_a_band_the_finest_is_taken(tmp_path: Path) -> None:
    for name, metres in (("B02_20m", 20), ("B02_10m", 10), ("B03_10m", 10)):
        layer(tmp_path / "scene" / f"x_{name}.tif", metres, 1, driver="GTiff")
    found = find_product(tmp_path / "scene")
    assert found is not None and found.layers["B02"].endswith("x_B02_10m.tif")


def test_scenes_side_by_side_are_told_apart_from_images(tmp_path: Path) -> None:
    for name in ("a_B02", "a_B03", "b_B02", "b_B03"):
        layer(tmp_path / "flat" / f"{name}.tif", 10, 1, driver="GTiff")
    layer(tmp_path / "flat" / "a_TCI.tif", 10, 1, driver="GTiff")
    said = r"flat: holds the bands of 2 scenes side by side; put each scene's into a folder of its own"
    for look in (find_product, Satellite().files):
        with pytest.raises(DataError, match=said):
            look(tmp_path / "flat")  # type: ignore[operator]


def test_what_comes_with_two_bands_makes_them_no_images(tmp_path: Path) -> None:
    for name in ("x_B04", "x_B08", "x_TCI"):
        layer(tmp_path / "scene" / f"{name}.tif", 10, 1, driver="GTiff")
    found = find_product(tmp_path / "scene")
    assert found is not None and set(found.layers) == {"B04", "B08"}


def test_scenes_whose_bands_mean_different_things_are_refused(tmp_path: Path) -> None:
    """Landsat 5 calls near infrared B4, Landsat 9 calls red so."""
    stem = "LT05_L2SP_193027_20100605_20200824_02_T1"
    for band in ("B2", "B3", "B4", "B5"):
        layer(tmp_path / stem / f"{stem}_SR_{band}.TIF", 30, 10_000, driver="GTiff")
    domain = Satellite(bands=["B2", "B3", "B4"])
    rows = [Row(name, path, window=Window((0, 0), (8, 8))) for name, path in (("a", tmp_path / stem), ("b", landsat(tmp_path)))]
    with pytest.raises(DataError, match=r"B2 is .* nm\), in others .* nm\); the files show different things. Keep those of one kind"):
        build_pool(rows, domain.read, domain.settings(), tmp_path / "pool", say=Silent())


@pytest.mark.parametrize("name, sensor", [("LT05_L2SP", "landsat-4-7-l2"), ("LE07_L2SP", "landsat-4-7-l2"), ("LT05_L1TP", None)])
def test_older_landsats(tmp_path: Path, name: str, sensor: str | None) -> None:
    stem = f"{name}_193027_20100605_20200824_02_T1"
    for band in ("B1", "B2", "B3", "B4"):
        layer(tmp_path / stem / f"{stem}_SR_{band}.TIF", 30, 10_000, driver="GTiff")
    found = find_product(tmp_path / stem)
    assert found is not None and (found.sensor, found.tile, found.date) == (sensor, "193027", "2010-06-05")
    if sensor:
        sample = Satellite().read(Row("x", tmp_path / stem))
        assert Satellite().rgb(sample.channels) == (2, 1, 0), "the channels know, whichever domain is asked"


def test_folders_of_scenes_are_no_classes(tmp_path: Path) -> None:
    for year in ("2021", "2022"):
        for day in "12":
            for band in ("B2", "B3", "B4"):
                layer(tmp_path / year / day / f"{band}.tif", 10, 1, driver="GTiff")
    found = load_manifest(Data(root=tmp_path), Satellite())
    assert len(found.rows) == 4 and not found.class_folders and not found.labelled
    assert found.notes == ("Sub-folders hold scenes, so their names are not taken as classes; give a table of labels.",)


def test_a_products_own_offset_holds_whatever_sensor_is_named(tmp_path: Path) -> None:
    path = safe(tmp_path)
    for sensor in (None, "sentinel-2-l2a", "sentinel-2-l1c"):
        sample = Satellite(sensor=sensor).read(Row("s", path, window=Window((100, 100), (8, 8))))
        assert float(sample.physical()[sample.channels.index("B04")].mean()) == pytest.approx(0.13 - 0.1)


def test_a_layer_is_opened_once_for_many_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, opened = safe(tmp_path), list[str]()
    really = rasterio.open
    domain = Satellite()
    rows = in_windows([Row("s.SAFE", path)], domain.extent, 30)
    monkeypatch.setattr(rasterio, "open", lambda source, *more, **how: (opened.append(str(source)), really(source, *more, **how))[1])
    for row in rows:
        domain.read(row)
    assert len(rows) == 16 and len(opened) == len(set(opened)) == len(METRES) + 1  # and the clouds
    layer(Path(next(source for source in opened if "B04_10m" in source)), 10, 77)  # written anew: opened again
    assert 77 in domain.read(rows[-1]).data


def test_folders_of_images_are_no_scenes(tmp_path: Path) -> None:
    for name in ("Forest_1.tif", "Forest_2.tif"):
        layer(tmp_path / "classes" / name, 10, 1, driver="GTiff")
    for name in ("a_B02.tif", "a_B03.tif", "b_B02.tif"):  # two scenes side by side
        layer(tmp_path / "mixed" / name, 10, 1, driver="GTiff")
    layer(tmp_path / "one" / "a_B02.tif", 10, 1, driver="GTiff")
    (tmp_path / "empty").mkdir()
    assert [find_product(tmp_path / name) for name in ("classes", "mixed", "one", "empty")] == [None] * 4
    assert find_product(tmp_path / "one" / "a_B02.tif") is None


def test_faults_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "X.SAFE").mkdir()
    with pytest.raises(DataError, match=r"X\.SAFE: holds no band .* unpack it whole"):
        find_product(tmp_path / "X.SAFE")
    (tmp_path / "broken.zip").write_bytes(b"PK nonsense")
    (tmp_path / "S1A_IW_GRDH_1SDV_20220605T050000.SAFE").mkdir()
    with pytest.raises(DataError, match=r"a Sentinel-1 product is not read as it comes; export VV and VH in dB"):
        find_product(tmp_path / "S1A_IW_GRDH_1SDV_20220605T050000.SAFE")
    with pytest.raises(DataError, match=r"broken\.zip: is no zip archive"):
        find_product(tmp_path / "broken.zip")
    with pytest.raises(DataError, match=r"no band B99; it holds B02"):
        Scene(Product(tmp_path, {"B02": "x"}), ["B99"])


def test_the_domain_reads_products_as_images(tmp_path: Path) -> None:
    path = safe(tmp_path / "data")
    landsat(tmp_path / "data")
    zipped(safe(tmp_path / "elsewhere", "L1C", offset=False)).rename(tmp_path / "data" / "b.zip")
    domain = Satellite(resolution=20)
    files = domain.files(tmp_path / "data")
    assert [file.suffix for file in files] == ["", ".SAFE", ".zip"]
    sample = domain.read(Row("s", path, window=Window((10, 40), (16, 20))))
    assert sample.data.shape == (8, 16, 20) and sample.unit == "reflectance" and sample.channels == tuple(sorted(METRES))
    assert sample.bounds == (600_800, 5_399_480, 601_200, 5_399_800) and sample.spacing == (20, 20)
    assert float(sample.physical()[sample.channels.index("B04")].mean()) == pytest.approx(0.13 - 0.1)  # offset of baseline 04.00
    assert sample.tags["spacing_unit"] == "metre"
    assert (sample.tags["date"], sample.tags["tile"]) == ("2022-06-05", "32UQD") and sample.measured is None
    old = domain.read(Row("z", files[2], window=Window((0, 0), (8, 8))))
    assert float(old.physical()[old.channels.index("B04")].mean()) == pytest.approx(0.13)  # none before
    assert domain.extent(Row("s", path)) == (60, 60)
    with pytest.raises(DataError, match=r"SAFE: is one scene itself; give the folder that holds it"):
        domain.files(path)
    named = Satellite(bands=["red", "green", "blue"], sensor="sentinel-2-l2a")
    assert named.read(Row("s", path, window=Window((0, 0), (8, 8)))).channels == ("B04", "B03", "B02")


def test_a_product_tells_what_its_bands_are(tmp_path: Path) -> None:
    names = ("B02", "B03", "B04", "B05", "B08")
    assert Satellite().rgb(names) is None  # names alone do not tell one satellite from another
    channels = Satellite(bands=list(names)).read(Row("s", safe(tmp_path), window=Window((0, 0), (8, 8)))).channels
    assert channels == names and Satellite().rgb(channels) == (2, 1, 0) and Satellite().missing(channels) == []
    assert [(channel.role, round(channel.nm)) for channel in channels[3:]] == [("rededge1", 704), ("nir", 833)]  # type: ignore[attr-defined]
    (other,) = Satellite(bands=["B5"]).read(Row("x", landsat(tmp_path), window=Window((0, 0), (8, 8)))).channels
    assert other.role == "nir08"  # type: ignore[attr-defined]  # red edge of one, near infrared of the other


def test_a_pool_of_scenes_holds_cloudless_windows(tmp_path: Path) -> None:
    path = safe(tmp_path / "data")
    domain, told = Satellite(), Told()
    rows = in_windows([Row("s.SAFE", path)], domain.extent, 30)
    assert len(rows) == 16
    pool = build_pool(rows, domain.read, domain.settings(), tmp_path / "pool", say=told, tile=None)
    assert len(pool) == 12 and pool.uniform and pool.channels == tuple(sorted(METRES))  # a quarter is cloud
    assert any(re.match("4 windows are left out, such as .*: more than 50% of it holds no measurement", line) for line in told.lines)
    assert len(pool.places()) == 12 and len({place.bounds for place in pool.places().values()}) == 12
    cloudy = [row for row in rows if row.window and row.window.top < 60 and row.window.left < 60]
    with pytest.raises(DataError, match="no measurement in more than 50% of each of 4 windows, such as .*, so none is left"):
        build_pool(cloudy, domain.read, {}, tmp_path / "none", say=told)


def test_a_large_geotiff_is_read_window_by_window(tmp_path: Path) -> None:
    data = np.random.default_rng(0).integers(0, 10_000, (3, 2100, 2100), dtype=np.uint16)
    path = write_tif(tmp_path / "large.tif", data, tiled=True)
    domain = Satellite()
    assert domain.extent(Row("large", path)) == (2100, 2100)
    part = domain.read(Row("large", path, window=Window((100, 2000), (50, 100))))
    np.testing.assert_array_equal(part.data.numpy(), data[:, 100:150, 2000:])
    assert part.bounds == (500_000 + 20_000, 5_300_000 - 1500, 500_000 + 21_000, 5_300_000 - 1000)
    assert domain.extent(Row("small", write_tif(tmp_path / "small.tif", data[:, :100, :100].copy()))) is None
