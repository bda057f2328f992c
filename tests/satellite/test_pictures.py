"""Transparency of pictures and their places, as Pillow and rasterio tell them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from labelfree_satellite import Satellite
from PIL import Image

from tests.satellite.files import row

CLEAR = np.zeros((16, 16), dtype=bool)
CLEAR[:4] = True
WORLD = "0.5\n0\n0\n-0.5\n500000.25\n5299999.75\n"
BOUNDS = (500_000.0, 5_299_992.0, 500_008.0, 5_300_000.0)


def colours() -> np.ndarray:
    return np.random.default_rng(0).integers(3, 250, (16, 16, 3)).astype("uint8")


def saved(folder: Path, kind: str) -> Path:
    """A picture of this kind whose upper quarter is transparent."""
    data, alpha = colours(), np.where(CLEAR, 0, 255).astype("uint8")
    path = folder / ("a.webp" if kind == "webp" else "a.png")
    if kind in ("RGBA", "webp"):
        Image.fromarray(np.dstack([data, alpha])).save(path, lossless=True)
    elif kind == "LA":
        Image.fromarray(np.dstack([data[..., 0], alpha])).save(path)
    elif kind == "one colour":
        data[CLEAR] = (1, 2, 3)
        Image.fromarray(data).save(path, transparency=(1, 2, 3))
    elif kind == "one gray":
        data[CLEAR] = 1
        Image.fromarray(data[..., 0]).save(path, transparency=1)
    else:
        numbers = np.where(CLEAR, 7, data[..., 0] % 5).astype("uint8")
        image = Image.fromarray(numbers, "P")
        image.putpalette([channel for k in range(256) for channel in (k * 20 % 256, k * 7 % 256, k)])
        image.save(path, transparency=7)
    return path


@pytest.mark.parametrize("kind", ["RGBA", "webp", "LA", "one colour", "one gray", "palette"])
def test_what_is_transparent_is_not_measured(tmp_path: Path, kind: str) -> None:
    sample = Satellite().read(row(saved(tmp_path, kind)))
    assert sample.measured is not None and np.array_equal(sample.measured.numpy(), ~CLEAR)
    assert sample.unit == "display"


@pytest.mark.parametrize(("shown", "empty"), [(True, 0.0), (False, 1.0)])
def test_transparency_of_a_whole_picture_counts_where_it_holds_nothing(tmp_path: Path, shown: bool, empty: float) -> None:
    Image.fromarray(np.dstack([colours() * shown, np.zeros((16, 16), "uint8")])).save(tmp_path / "a.png")
    assert Satellite().read(row(tmp_path / "a.png")).empty == empty


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
@pytest.mark.parametrize("ending", [".{0}{2}w", ".{0}{1}{2}w", ".wld", ".{0}{2}wx"])
@pytest.mark.parametrize("upper", [False, True])
def test_a_world_file_places_a_picture(tmp_path: Path, name: str, ending: str, upper: bool) -> None:
    Image.fromarray(colours()).save(tmp_path / name)
    world = ending.format(*name.split(".")[1])
    (tmp_path / f"a{world.upper() if upper else world}").write_text(WORLD)
    (tmp_path / ("a.PRJ" if upper else "a.prj")).write_text(rasterio.crs.CRS.from_epsg(32632).to_wkt(version="WKT1_ESRI"))
    sample = Satellite().read(row(tmp_path / name))
    assert sample.crs == "EPSG:32632" and sample.bounds == BOUNDS and sample.spacing == (0.5, 0.5)


def test_a_world_file_alone_places_within_an_unknown_system(tmp_path: Path) -> None:
    Image.fromarray(colours()).save(tmp_path / "a.png")
    (tmp_path / "a.pgw").write_text(WORLD)
    sample = Satellite().read(row(tmp_path / "a.png"))
    assert sample.crs == "local" and sample.bounds == BOUNDS


def test_a_map_that_turns(tmp_path: Path) -> None:
    Image.fromarray(colours()).save(tmp_path / "a.jpg")
    (tmp_path / "a.jgwx").write_text("0\n-0.5\n-0.5\n0\n500000\n5300000\n")
    corners = [rasterio.Affine(0, -0.5, 500000, -0.5, 0, 5300000) @ (x - 0.5, y - 0.5) for x in (0, 16) for y in (0, 16)]
    xs, ys = zip(*corners, strict=True)
    assert Satellite().read(row(tmp_path / "a.jpg")).bounds == (min(xs), min(ys), max(xs), max(ys))
