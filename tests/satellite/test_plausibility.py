"""Numbers against what their unit says, with limits that a person can check by hand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from labelfree_satellite import Satellite

from labelfree.errors import DataError, RecipeError
from tests.satellite.files import row, write_tif

LANDSAT = ("SR_B2", "SR_B3", "SR_B4", "SR_B5")
S2 = ("B02", "B03", "B04", "B08")


def ground(low: float, high: float, dtype: str, count: int = 4) -> np.ndarray:
    return np.random.default_rng(0).uniform(low, high, (count, 16, 16)).astype(dtype)


def refused(tmp_path: Path, data: np.ndarray, names: tuple[str, ...], profile: dict[str, Any] | None = None, **settings: Any) -> str:
    path = write_tif(tmp_path / "a.tif", data, names, **(profile or {}))
    with pytest.raises(DataError, match=r"a\.tif: .* are not what their unit says .* say what they are with reader\.unit=") as told:
        Satellite(**settings).read(row(path))
    return str(told.value)


@pytest.mark.parametrize(
    ("data", "settings", "way"),
    [
        (ground(300, 4000, "float32"), {"sensor": "sentinel-2-l2a"}, "reflectance × 10000"),
        (ground(1200, 5000, "float32"), {"sensor": "sentinel-2-l2a-n0400"}, "reflectance × 10000 - 0.1"),
        (ground(0.3, 5, "float32"), {"sensor": "sentinel-2-l2a"}, "reflectance × 100"),
        (ground(300, 4000, "uint16"), {"unit": "reflectance"}, "reflectance × 10000"),
        (ground(300, 4000, "uint16"), {"unit": "Reflectance"}, "reflectance × 10000"),
        (ground(0.03, 0.4, "float32"), {"unit": "reflectance × 10000"}, "reflectance"),
        (ground(3, 250, "uint8"), {"unit": "reflectance × 10000"}, "reflectance × 255"),
        (ground(0.03, 1, "float32"), {"unit": "display × 255"}, "display"),
        (ground(30, 4000, "uint16"), {"unit": "display × 255"}, "display × 4095"),
    ],
)
def test_a_contradicted_unit_stops_with_one_that_holds(tmp_path: Path, data: np.ndarray, settings: dict[str, Any], way: str) -> None:
    said = refused(tmp_path, data, S2, **settings)
    assert re.search(rf"reader\.unit='?{re.escape(way)}'? \(", said), said
    sensor = {"sensor": settings["sensor"]} if "sensor" in settings else {}
    sample = Satellite(unit=way, **sensor).read(row(tmp_path / "a.tif"))
    assert sample.unit == way.split(" ")[0] and 0.003 < float(sample.physical().abs().max()) <= 1.01


def test_landsat_s_own_scale_is_the_way_out(tmp_path: Path) -> None:
    data = ground(8000, 20000, "float32")
    said = refused(tmp_path, data, LANDSAT, sensor="landsat-8-9-l2")
    [way] = re.findall(r"reader\.unit='([^']*)'", said)
    sample = Satellite(sensor="landsat-8-9-l2", unit=way).read(row(tmp_path / "a.tif"))
    assert np.allclose(sample.physical().numpy(), data * 2.75e-5 - 0.2, atol=1e-6)


def test_a_scale_in_the_file_and_real_numbers_scale_twice(tmp_path: Path) -> None:
    path = write_tif(tmp_path / "a.tif", ground(0.03, 0.4, "float32"), S2)
    import rasterio

    with rasterio.open(path, "r+") as file:
        file.scales, file.offsets = (1e-4,) * 4, (0.0,) * 4
    with pytest.raises(DataError, match=r"none would be above 4e-05\); say what they are with reader\.unit=reflectance \("):
        Satellite(sensor="sentinel-2-l2a").read(row(path))


@pytest.mark.parametrize("data", [ground(0.01, 0.5, "float32", 2), ground(5, 90, "uint16", 2)], ids=["power", "amplitude"])
def test_decibels_of_the_ground_are_negative(tmp_path: Path, data: np.ndarray) -> None:
    assert "as dB none would be below 0" in refused(tmp_path, data, ("VV", "VH"), sensor="sentinel-1-grd")
    decibels = (10 * np.log10(data.astype("float64") / 100)).astype("float32")
    assert Satellite(sensor="sentinel-1-grd").read(row(write_tif(tmp_path / "b.tif", decibels, ("VV", "VH")))).unit == "dB"


@pytest.mark.parametrize(
    ("data", "sensor"),
    [
        (ground(0, 60, "uint16"), "sentinel-2-l2a"),  # deep water
        (ground(9000, 14000, "uint16"), "sentinel-2-l2a"),  # snow
        (ground(0.001, 0.01, "float32"), "sentinel-2-l2a"),
        (np.zeros((4, 16, 16), "float32"), "sentinel-2-l2a"),
        (ground(0, 3, "uint8"), "naip"),  # night
    ],
)
def test_dark_and_bright_ground_is_believed(tmp_path: Path, data: np.ndarray, sensor: str) -> None:
    names = S2 if sensor.startswith("sentinel") else ("red", "green", "blue", "nir")
    Satellite(sensor=sensor).read(row(write_tif(tmp_path / "a.tif", data, names)))


def test_kelvin_says_nothing_of_reflectance(tmp_path: Path) -> None:
    data = np.concatenate([ground(0.02, 0.5, "float32"), ground(270, 310, "float32", 1)])
    assert Satellite(sensor="landsat-8-9-l2").read(row(write_tif(tmp_path / "a.tif", data, (*LANDSAT, "ST_B10")))).unit == "reflectance"


def test_an_offset_stands_apart_from_names() -> None:
    assert Satellite(unit="reflectance × 10000 - 0.1").unit == ("reflectance", 1e-4, -0.1)
    assert Satellite(unit="K + 273.15").unit == ("K", 1.0, 273.15)
    with pytest.raises(RecipeError, match="W m-2"):
        Satellite(unit="W m-2")
