"""Missing data against rasterio's own masks and plain numpy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from labelfree_satellite import Satellite

from labelfree.domain import Sample
from labelfree.errors import DataError, RecipeError
from tests.satellite.files import row, write_tif

S2 = ("B02", "B03", "B04", "B08")
LEFT = np.zeros((16, 16), dtype=bool)
LEFT[:, :5] = True


def ground(dtype: str = "int16", count: int = 4, low: int = 300, high: int = 3000) -> np.ndarray:
    return np.random.default_rng(0).integers(low, high, (count, 16, 16)).astype(dtype)


def holed(data: np.ndarray, number: float, where: np.ndarray = LEFT) -> np.ndarray:
    data = data.copy()
    data[:, where] = number
    return data


def read(path: Path, **settings: Any) -> Sample:
    return Satellite(**settings).read(row(path))


def gaps(sample: Sample) -> np.ndarray:
    return np.zeros(sample.data.shape[1:], dtype=bool) if sample.measured is None else ~sample.measured.numpy()


@pytest.mark.parametrize(("dtype", "number"), [("int16", -9999), ("uint16", 0), ("uint16", 65535), ("float32", -9999), ("float32", np.nan)])
def test_declared_by_the_file_as_rasterio_masks_it(tmp_path: Path, dtype: str, number: float) -> None:
    path = write_tif(tmp_path / "a.tif", holed(ground(dtype), number), nodata=number)
    with rasterio.open(path) as file:
        assert np.array_equal(gaps(read(path)), file.dataset_mask() == 0)


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_declared_by_the_recipe(tmp_path: Path, dtype: str) -> None:
    bottom = ~LEFT & (np.arange(16)[:, None] == 15)
    data = holed(holed(ground(dtype), -9999), 7, bottom)
    path = write_tif(tmp_path / "a.tif", data)
    assert np.array_equal(gaps(read(path, nodata=-9999)), LEFT)
    assert np.array_equal(gaps(read(path, nodata=[-9999, 7])), LEFT | bottom)
    assert read(path, nodata="none").measured is None
    with pytest.raises(RecipeError, match=r"^reader\.nodata: 'nothing' is neither"):
        Satellite(nodata="nothing")


@pytest.mark.parametrize(
    ("dtype", "number", "said"),
    [
        ("int16", -9999, "-9999"),
        ("float32", -9999, "-9999"),
        ("int32", -(2**31), "-2147483648"),
        ("float32", -3.4028235e38, "-3.40282347e+38"),
    ],
)
def test_undeclared_numbers_that_can_only_be_missing_stop(tmp_path: Path, dtype: str, number: float, said: str) -> None:
    path = write_tif(tmp_path / "a.tif", holed(ground(dtype), number))
    share = f"{LEFT.mean():.1%}"
    with pytest.raises(DataError) as told:
        read(path)
    assert f"a.tif: holds {said} in {share} of its pixels" in str(told.value) and f"set reader.nodata={said} (" in str(told.value)
    assert np.array_equal(gaps(read(path, nodata=float(said))), LEFT)  # the way out is one


def test_a_pixel_that_lacks_a_band_is_left_out(tmp_path: Path) -> None:
    data = ground()
    data[2][LEFT] = -9999
    assert np.array_equal(gaps(read(write_tif(tmp_path / "a.tif", data, nodata=-9999))), LEFT)


@pytest.mark.parametrize("profile", [{}, {"nodata": 0}])
def test_near_infrared_of_0_over_water_is_measured(tmp_path: Path, profile: dict[str, Any]) -> None:
    data = holed(ground("uint16"), 0)
    data[3] = 0
    sample = read(write_tif(tmp_path / "a.tif", data, S2, **profile), sensor="sentinel-2-l2a")
    assert np.array_equal(gaps(sample), LEFT) and not sample.data[3].any()


@pytest.mark.parametrize("nodata", [None, 65535])
def test_zeros_of_a_sensor_are_missing_whatever_the_file_declares(tmp_path: Path, nodata: float | None) -> None:
    path = write_tif(tmp_path / "a.tif", holed(ground("uint16"), 0), S2, nodata=nodata)
    assert np.array_equal(gaps(read(path, sensor="sentinel-2-l2a")), LEFT)
    assert read(path).measured is None  # of no known sensor, 0 may be a number like any other
    assert read(path, sensor="sentinel-2-l2a", nodata="none").measured is None


def test_pure_colours_hold_the_number_that_stands_for_none(tmp_path: Path) -> None:
    data = holed(ground("uint8", 3, 1, 255), 0)
    data[2] = 0  # yellow
    assert np.array_equal(gaps(read(write_tif(tmp_path / "a.tif", data, photometric="RGB", nodata=0))), LEFT)


@pytest.mark.parametrize("inside", [True, False], ids=["inside", "beside"])
def test_a_mask_as_rasterio_reads_it(tmp_path: Path, inside: bool) -> None:
    path = write_tif(tmp_path / "a.tif", ground())
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=inside), rasterio.open(path, "r+") as file:
        file.write_mask(~LEFT)
    with rasterio.open(path) as file:
        assert np.array_equal(gaps(read(path)), file.dataset_mask() == 0)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_colour_tables_with_a_number_for_nothing(tmp_path: Path, dtype: str) -> None:
    numbers = ground(dtype, 1, 10, 200)
    numbers[0][LEFT] = 9
    path = write_tif(tmp_path / "a.tif", numbers, nodata=9, photometric="PALETTE")
    table = {k: (k, 255 - k, k // 2, 255) for k in range(256)}
    with rasterio.open(path, "r+") as file:
        file.write_colormap(1, table)
    sample = read(path)
    assert np.array_equal(gaps(sample), LEFT) and sample.channels == ("red", "green", "blue")
    shown = numbers[0][~LEFT].astype(int)
    assert np.array_equal(sample.data.numpy()[:, ~LEFT], np.stack([shown, 255 - shown, shown // 2]))


def test_what_fills_gaps_moves_no_mean(tmp_path: Path) -> None:
    data = holed(ground("float32"), -9999)
    sample = read(write_tif(tmp_path / "a.tif", data, nodata=-9999))
    assert np.allclose(sample.data.numpy().mean((1, 2)), data[:, ~LEFT].mean(1), rtol=1e-5)
