"""Windows of scenes, tiles of images, slices and patches of volumes: what an index holds, where it lies, and that it is found again."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from rasterio.transform import from_origin
from rasterio.warp import transform

import labelfree
from labelfree.backbones import build
from labelfree.backbones.weight_card import WeightCard
from labelfree.backbones.weights import save
from labelfree.data.windows import part_of
from labelfree.domain import Sample, Window
from labelfree.progress import Silent
from tests.medical.mask_files import write_nifti
from tests.selecting.conftest import picture

CORNER = (500_000, 5_300_000)


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A scene of 96 x 64 pixels of 10 m; its lower right 32 pixels are water. A quarter of it holds no measurement."""
    from labelfree_satellite import grids, satellite

    monkeypatch.setattr(grids, "WHOLE", 2000)
    monkeypatch.setattr(satellite, "SMALL_FILE", 0)
    pixels = np.concatenate([np.concatenate([picture(kind, number) for number in range(2)], axis=1) for kind in (0, 1, 0)])
    pixels[64:, 32:] = picture(2, 7)
    pixels[:32, :32] = 0
    (tmp_path / "scenes").mkdir()
    form = {"driver": "GTiff", "height": 96, "width": 64, "count": 3, "dtype": "uint8", "nodata": 0}
    with rasterio.open(tmp_path / "scenes" / "a.tif", "w", crs="EPSG:32632", transform=from_origin(*CORNER, 10, 10), **form) as file:
        file.write(np.moveaxis(pixels, 2, 0))
        file.colorinterp = [rasterio.enums.ColorInterp(code) for code in (3, 4, 5)]
    return tmp_path / "scenes"


def test_windows_of_a_scene_are_found_where_they_lie(scene: Path, weights: Path, tmp_path: Path) -> None:
    made = labelfree.index(scene, weights, tmp_path / "made.index", tile=32, say=Silent())
    assert len(made) == 5  # the sixth holds no measurement, and is not read again:
    again = labelfree.index(scene, weights, tmp_path / "made.index", say=Silent())
    assert len(again) == 5 and len(again.folder.parts) == 1
    found = labelfree.search(made, tmp_path / "found", image=scene / "a.tif", box=(32, 64, 64, 96), k=2, say=Silent())
    assert found.hits[0].row.id == "a.tif#64,32,32x32" and found.hits[0].score == pytest.approx(1, abs=1e-5)
    by_name = labelfree.search(made, image=f"{scene}/a.tif#64,32,32x32", k=1)
    assert by_name.hits[0].row.id == "a.tif#64,32,32x32" and by_name.hits[0].score == pytest.approx(1, abs=1e-5)
    shapes = json.loads((tmp_path / "found" / "search.geojson").read_text(encoding="utf-8"))["features"]
    assert len(shapes) == 2 and shapes[0]["properties"]["path"] == "a.tif#64,32,32x32" and shapes[0]["properties"]["rank"] == 1
    (ring,) = shapes[0]["geometry"]["coordinates"]
    left, top = CORNER[0] + 320, CORNER[1] - 640
    x, y = transform("EPSG:4326", "EPSG:32632", *zip(*ring, strict=True))
    np.testing.assert_allclose((min(x), min(y), max(x), max(y)), (left, top - 320, left + 320, top), atol=0.01)
    area = sum(a * d - b * c for (a, b), (c, d) in pairwise(ring))
    assert ring[0] == ring[-1] and area > 0  # counterclockwise


def test_tiles_of_pictures_are_rows_of_their_own(folder: Path, weights: Path, tmp_path: Path) -> None:
    made = labelfree.index(folder, weights, tmp_path / "tiles.index", tile=16, say=Silent())
    assert len(made) == 48 * 4 and made.card.tile == 16
    assert len(labelfree.index(folder, weights, tmp_path / "tiles.index", say=Silent())) == 48 * 4
    found = labelfree.search(made, tmp_path / "found", image=folder / "05_water.png", box=(16, 0, 32, 16), k=3, say=Silent())
    assert found.hits[0].row.id == "05_water.png#0,16,16x16" and found.hits[0].row.group == "05_water.png"
    assert found.hits[0].score == pytest.approx(1, abs=1e-5)


@pytest.fixture
def volumes(tmp_path: Path) -> Path:
    (tmp_path / "volumes").mkdir()
    for number in range(2):
        values = np.random.default_rng(number).normal(0, 200, (24, 20, 16)).astype(np.int16)
        write_nifti(tmp_path / "volumes" / f"{number}.nii.gz", values)
    return tmp_path / "volumes"


def volume_weights(folder: Path, sample: Sample, network: str, dims: int, **reader: str) -> Path:
    torch.manual_seed(0)
    one, zero = (1.0,), (0.0,)
    ends = {"dtype": str(sample.data.dtype).removeprefix("torch."), "low": (-900.0,), "high": (900.0,)}
    read = {"domain": "medical", "dims": dims, "reader": reader, **ends}
    told = WeightCard(network, sample.channels, sample.unit, one, zero, zero, (200.0,), 16, **read)
    return save(build(network, 1, dims=dims), told, folder / f"{dims}.safetensors")


def test_patches_of_volumes(volumes: Path, tmp_path: Path) -> None:
    read = labelfree.read(volumes / "0.nii.gz", "medical")
    depth, height, width = read.data.shape[1:]
    weights = volume_weights(tmp_path, read, "monai_resnet10", 3)
    made = labelfree.index(volumes, weights, tmp_path / "made.index", tile=8, say=Silent())
    assert len(made) == len(list(volumes.iterdir())) * np.prod([-(-side // 8) for side in (depth, height, width)])
    box = (width - 8, 0, depth - 8, width, 8, depth)
    found = labelfree.search(made, tmp_path / "found", image=volumes / "1.nii.gz", box=box, k=2, say=Silent())
    assert found.hits[0].row.id == f"1.nii.gz#{depth - 8},0,{width - 8},8x8x8" and found.hits[0].score == pytest.approx(1, abs=1e-5)
    assert (tmp_path / "found" / "contact_sheet.png").is_file() and not (tmp_path / "found" / "search.geojson").exists()


def test_slices_of_volumes(volumes: Path, tmp_path: Path) -> None:
    read = labelfree.read(volumes / "0.nii.gz", "medical")
    weights = volume_weights(tmp_path, read, "test_resnet", 2, slices="axial")
    made = labelfree.index(volumes, weights, tmp_path / "made.index", overrides=["reader.slices_per_volume=4"], say=Silent())
    assert len(made) == 8
    name = made.folder.entries([5])[0].row.id
    found = labelfree.search(made, tmp_path / "found", image=volumes / name, k=2, say=Silent())
    assert found.hits[0].row.id == name and found.hits[0].score == pytest.approx(1, abs=1e-5)
    assert labelfree.index(volumes, weights, tmp_path / "made.index", say=Silent()).card.reader["slices_per_volume"] == 4


def test_a_part_knows_where_it_lies() -> None:
    """Its first pixel lies where the whole image has that pixel."""
    affine = ((0.0, 10.0, 500_005.0), (-10.0, 0.0, 5_299_995.0), (0.0, 0.0, 1.0))
    bounds = (500_000.0, 5_299_600.0, 500_600.0, 5_300_000.0)
    data = torch.arange(40 * 60).reshape(1, 40, 60)
    whole = Sample(data, ("a",), (1.0,), (0.0,), "", crs="EPSG:32632", bounds=bounds, affine=affine, measured=data[0] % 2 == 0)
    part = part_of(whole, Window((8, 16), (10, 20)))
    assert torch.equal(part.data, data[:, 8:18, 16:36]) and torch.equal(part.measured, whole.measured[8:18, 16:36])
    assert part.bounds == (500_160.0, 5_299_820.0, 500_360.0, 5_299_920.0)
    world = np.array(part.affine) @ (0, 0, 1)
    np.testing.assert_allclose(world, np.array(affine) @ (8, 16, 1))
