"""Whether a band that is tagged alpha is a mask, asked of files as GDAL and people write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from labelfree_satellite import Satellite

from labelfree.domain import Row, Window
from tests.satellite.files import row, write_tif

SIDE = 32
BORDER = np.zeros((SIDE, SIDE), dtype=bool)
BORDER[:8] = True


def colours(dtype: str = "uint8", high: int = 250, side: int = SIDE) -> np.ndarray:
    return np.random.default_rng(0).integers(3, high, (3, side, side)).astype(dtype)


def with_alpha(path: Path, data: np.ndarray, alpha: np.ndarray, **profile: Any) -> Path:
    return write_tif(path, np.concatenate([data, alpha[None].astype(data.dtype)]), photometric="RGB", ALPHA="YES", **profile)


def soft(full: int, side: int = SIDE) -> np.ndarray:
    """Transparent above, then an edge of one line that a third shows through, then opaque."""
    alpha = np.full((side, side), full)
    alpha[: side // 4] = 0
    alpha[side // 4] = full // 3
    return alpha


@pytest.mark.parametrize(("dtype", "full"), [("uint8", 255), ("uint16", 65535), ("uint16", 255)])
def test_a_soft_edge_is_a_mask(tmp_path: Path, dtype: str, full: int) -> None:
    sample = Satellite().read(row(with_alpha(tmp_path / "a.tif", colours(dtype), soft(full))))
    assert sample.channels == ("red", "green", "blue")
    assert sample.measured is not None and np.array_equal(sample.measured.numpy(), soft(full) >= full / 2)


def test_opaque_all_over_hides_nothing(tmp_path: Path) -> None:
    sample = Satellite().read(row(with_alpha(tmp_path / "a.tif", colours(), np.full((SIDE, SIDE), 255))))
    assert sample.channels == ("red", "green", "blue") and sample.measured is None


def test_0_and_1_are_a_mask_where_nothing_lies_under_0(tmp_path: Path) -> None:
    data = colours()
    data[:, BORDER] = 0
    sample = Satellite().read(row(with_alpha(tmp_path / "a.tif", data, ~BORDER)))
    assert len(sample.channels) == 3 and sample.measured is not None and np.array_equal(sample.measured.numpy(), ~BORDER)


@pytest.mark.parametrize("infrared", [np.zeros((SIDE, SIDE)), np.where(BORDER, 1, 0), np.where(BORDER, 0, 2)], ids=["0", "0-1", "2-0"])
def test_near_infrared_over_water_is_no_mask(tmp_path: Path, infrared: np.ndarray) -> None:
    path = write_tif(tmp_path / "a.tif", np.concatenate([colours(), infrared[None].astype("uint8")]))  # GDAL tags the fourth as alpha
    for domain in (Satellite(), Satellite(sensor="naip"), Satellite(bands=["red", "green", "blue", "nir"])):
        sample = domain.read(row(path))
        assert len(sample.channels) == 4 and sample.measured is None
        assert np.array_equal(sample.data[3].numpy(), infrared)


def test_a_tile_without_contents_is_empty(tmp_path: Path) -> None:
    nothing = np.zeros((SIDE, SIDE))
    assert Satellite().read(row(with_alpha(tmp_path / "a.tif", 0 * colours(), nothing))).empty == 1


def test_every_window_of_a_file_is_decided_alike(tmp_path: Path) -> None:
    side, alpha = 2304, soft(255, 2304)
    small = colours(side=side // 16)
    path = with_alpha(tmp_path / "a.tif", small.repeat(16, 1).repeat(16, 2), alpha, tiled=True, compress="deflate")
    for top in (0, 500, 570, 1500):  # no pixel, some, the edge, all
        window = Window((top, 100), (64, 64))
        sample = Satellite().read(Row("w", path, window=window))
        shown = alpha[top : top + 64, 100:164] >= 127.5
        assert sample.channels == ("red", "green", "blue")
        assert np.array_equal(shown if sample.measured is None else sample.measured.numpy(), shown)
