"""Images under a folder: names are no evidence of bands, headers are."""

from __future__ import annotations

import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
from labelfree_satellite import Satellite
from labelfree_satellite.products import find_product
from rasterio.transform import from_origin

from labelfree.data.manifest import load_manifest
from labelfree.domain import Row
from labelfree.errors import DataError
from labelfree.recipe import Data
from tests.satellite.safe import landsat, layer, safe, zipped


def raster(path: Path, bands: int = 1, left: float = 500_000, metres: float = 10, side: int = 16, crs: str | None = "EPSG:32632") -> Path:
    """A raster of `bands` whose upper left corner lies at `left`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    where = {"crs": crs, "transform": from_origin(left, 5_300_000, metres, metres)} if crs else {}
    with rasterio.open(path, "w", driver="GTiff", count=bands, height=side, width=side, dtype="uint16", **where) as file:
        file.write(np.full((bands, side, side), 7, dtype=np.uint16))
    return path


def names(root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in Satellite().files(root)]


PLOTS = [f"plot_{letter}{number}" for letter in "ABC" for number in range(1, 5)]


@pytest.mark.parametrize(
    "bands, crs, apart", [(3, "EPSG:32632", 1000), (1, "EPSG:32632", 1000), (3, None, 0), (1, None, 0), (3, "EPSG:32632", 0)]
)
def test_plots_named_as_bands_are_images(tmp_path: Path, bands: int, crs: str | None, apart: float) -> None:
    for number, name in enumerate(PLOTS):
        raster(tmp_path / "field" / f"{name}.tif", bands, 500_000 + apart * number, crs=crs)
    assert names(tmp_path) == [f"field/{name}.tif" for name in PLOTS]
    assert names(tmp_path / "field") == [f"{name}.tif" for name in PLOTS]


@pytest.mark.parametrize("stem", ["{}{:02d}", "tile_B{1}{0}", "red_{1}_{0}"])
def test_a_flat_folder_of_numbered_images_is_no_scene(tmp_path: Path, stem: str) -> None:
    wanted = sorted(f"{stem.format(letter, number)}.tif" for letter in "abc" for number in range(10))
    for number, name in enumerate(wanted):
        raster(tmp_path / name, left=500_000 + 5000 * number)
    assert names(tmp_path) == wanted


def test_chips_a_file_a_band_far_apart_are_no_scene(tmp_path: Path) -> None:
    for number, band in enumerate(("B02", "B03", "B04")):
        raster(tmp_path / "d" / f"x_{band}.tif", left=500_000 + 20 * number)  # two pixels
    assert len(names(tmp_path)) == 3
    raster(tmp_path / "e" / "x_B02.tif"), raster(tmp_path / "e" / "x_B03.tif", crs="EPSG:32633")
    assert find_product(tmp_path / "e") is None


def test_bands_of_other_resolutions_share_a_footprint(tmp_path: Path) -> None:
    for band, metres, side in (("B02", 10, 96), ("B05", 20, 48), ("B01", 60, 16)):
        raster(tmp_path / "s" / f"x_{band}.tif", metres=metres, side=side)
    raster(tmp_path / "s" / "x_B08.tif", left=500_005, metres=10, side=96)  # half a pixel off, as panchromatic bands are
    found = find_product(tmp_path / "s")
    assert found is not None and set(found.layers) == {"B01", "B02", "B05", "B08"}
    with pytest.raises(DataError, match=r"is one scene itself"):
        Satellite().files(tmp_path / "s")


def test_a_broken_band_stays_a_band(tmp_path: Path) -> None:
    for band in ("B02", "B03"):
        raster(tmp_path / "s" / f"x_{band}.tif")
    (tmp_path / "s" / "x_B04.tif").write_bytes(b"II*\0broken")
    assert names(tmp_path) == ["s"]


def test_scenes_side_by_side_are_refused_and_numbered_images_are_not(tmp_path: Path) -> None:
    for prefix in "ab":
        for band in ("B02", "B03", "B04"):
            raster(tmp_path / "scenes" / f"{prefix}_{band}.tif")
            raster(tmp_path / "images" / f"{prefix}_{band}.tif", bands=3)
    with pytest.raises(DataError, match="holds the bands of 2 scenes side by side"):
        find_product(tmp_path / "scenes")
    assert find_product(tmp_path / "images") is None


def test_images_of_other_places_are_not_swallowed_by_a_scene(tmp_path: Path) -> None:
    for band in ("B02", "B03", "B04"):
        raster(tmp_path / "s" / f"x_{band}.tif")
    raster(tmp_path / "s" / "preview.tif", bands=3, crs=None)
    assert find_product(tmp_path / "s") is not None
    for number in range(8):
        raster(tmp_path / "s" / f"field {number}.tif", bands=3, left=600_000 + 1000 * number)
    with pytest.raises(DataError, match="holds the bands of one scene and 8 images of other places; put the bands into a folder"):
        find_product(tmp_path / "s")


def test_products_are_read_once_whatever_links_lead_to_them(tmp_path: Path) -> None:
    path = landsat(tmp_path / "data")
    safe(tmp_path / "data")
    (tmp_path / "data" / "latest").symlink_to(path)
    (tmp_path / "data" / "up").symlink_to(tmp_path)
    assert len(names(tmp_path / "data")) == 2 and "latest" not in names(tmp_path / "data")


@pytest.mark.parametrize(
    "name, way", [("x.tar", "unpack each archive"), ("x.nc", "gdal_translate"), ("x.zarr", "gdal_translate"), ("x.h5", "GeoTIFF")]
)
def test_files_that_are_not_read_get_advice(tmp_path: Path, name: str, way: str) -> None:
    for i in range(2):
        (tmp_path / f"{i}{name}").mkdir() if name.endswith("zarr") else (tmp_path / f"{i}{name}").touch()
    with pytest.raises(DataError, match=rf"2 files that end in \{Path(name).suffix}; .*{way}"):
        load_manifest(Data(root=tmp_path), Satellite())
    raster(tmp_path / "a.tif")
    (note,) = load_manifest(Data(root=tmp_path), Satellite()).notes
    assert note.startswith(f"2 files that end in {Path(name).suffix} are not read: ") and way in note


def test_an_encrypted_or_torn_archive_is_one_sentence(tmp_path: Path) -> None:
    archive = zipped(safe(tmp_path / "x"))
    raw = bytearray(archive.read_bytes())
    at = raw.find(b"<n1:P")
    raw[at : at + 4] = b"torn"
    archive.write_bytes(raw)
    with pytest.raises(DataError, match=r"\.zip: is no zip archive or a broken one"):
        find_product(archive)


@pytest.mark.parametrize("as_zip", [False, True])
def test_metadata_of_a_download_is_parsed_with_a_guard(tmp_path: Path, as_zip: bool) -> None:
    path = safe(tmp_path)
    bomb = '<!DOCTYPE a [<!ENTITY x "xxxx"><!ENTITY y "&x;&x;">]><a><PRODUCT_START_TIME>&y;</PRODUCT_START_TIME></a>'
    (path / "MTD_MSIL2A.xml").write_text(bomb)
    with pytest.raises(DataError, match=r"MTD_MSIL2A\.xml: defines XML entities"):
        find_product(zipped(path) if as_zip else path)
    (path / "MTD_MSIL2A.xml").write_text("<a><b></a>")
    with pytest.raises(DataError, match=r"MTD_MSIL2A\.xml: is no XML"):
        find_product(zipped(path) if as_zip else path)


def test_no_header_is_read_where_names_tell_no_band(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3000):
        (tmp_path / f"image_{number:05d}.tif").touch()
    opened = []
    monkeypatch.setattr(rasterio, "open", lambda *given, **how: opened.append(given))
    started = time.perf_counter()
    assert len(Satellite().files(tmp_path)) == 3000 and not opened
    assert time.perf_counter() - started < 5  # 0.05 s on an idle core


def test_a_folder_of_band_files_reads_few_headers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = layer(tmp_path / "d" / "x_B00.tif", 10, 1, driver="GTiff")
    for number in range(1, 90):
        (tmp_path / "d" / f"x_B{number:02d}.tif").write_bytes(first.read_bytes())
    opened, really = list[str](), rasterio.open
    monkeypatch.setattr(rasterio, "open", lambda source, *more, **how: (opened.append(str(source)), really(source, *more, **how))[1])
    assert find_product(tmp_path / "d") is not None and len(opened) <= 40


def test_polarisations_of_one_place_are_one_image(tmp_path: Path) -> None:
    for number in range(3):
        for band in ("VV", "VH"):
            raster(tmp_path / f"t{number}" / f"S1A_20220701_{band}.tif", left=500_000 + 5_000 * number)
    assert names(tmp_path) == ["t0", "t1", "t2"]
    assert Satellite().read(Row("t0", tmp_path / "t0")).channels == ("VH", "VV")


def test_a_product_that_cannot_be_opened_is_told_when_it_is_read(tmp_path: Path) -> None:
    """Its size is asked first; there it must not stop a check or a run that skips what is broken."""
    archive = tmp_path / "S2A_MSIL2A_20200101_X.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("S2A_MSIL2A_20200101_X.SAFE/GRANULE/L/IMG_DATA/T32_B02.jp2", "x")
    row = Row("x", archive)
    assert Satellite().extent(row) is None
    with pytest.raises(DataError, match=r"_X\.zip: B02 is truncated or broken"):
        Satellite().read(row)
