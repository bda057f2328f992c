"""What ordinary people bring is not refused: whole sets that look odd in one way, past every check of scale, gaps, alpha and layout."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from labelfree_satellite import Satellite
from PIL import Image

from labelfree.data.faults import find_faults
from labelfree.data.manifest import load_manifest
from labelfree.progress import Silent
from labelfree.recipe import Data
from tests.satellite.files import write_tif

DRAW = np.random.default_rng(0)


def heights(i: int) -> np.ndarray:
    """A flat coast among mountains."""
    top = (0.4, 600.0, 800.0, 900.0, 1200.0, 3000.0)[i % 6]
    return DRAW.uniform(0, top, (1, 16, 16)).astype("float32")


def intensity(i: int) -> np.ndarray:
    """Linear radar: a ship outshines the sea."""
    sea = DRAW.gamma(1.0, 0.01, (2, 16, 16))
    sea[:, 3, 3] = 500.0 if i == 0 else 0.05
    return sea.astype("float32")


def clouds(i: int) -> np.ndarray:
    """Top-of-atmosphere reflectance above 2, as numbers."""
    return DRAW.integers(*((20_300, 20_800) if i == 0 else (800, 3000)), (4, 16, 16)).astype("uint16")


def dark(i: int) -> np.ndarray:
    """Short-wave infrared over deep water, as reflectance."""
    return DRAW.uniform(0, 0.0009 if i == 0 else 0.3, (3, 16, 16)).astype("float32")


@pytest.mark.parametrize(
    ("made", "names", "sensor"),
    [(heights, None, None), (intensity, ("VV", "VH"), None), (clouds, ("B2", "B3", "B4", "B8"), "sentinel-2-l1c"),
     (dark, ("B8A", "B11", "B12"), "sentinel-2-l2a")],
    ids=["heights", "radar", "clouds", "water"],
)  # fmt: skip
def test_numbers_of_ordinary_sets_are_believed(
    tmp_path: Path, made: Callable[[int], np.ndarray], names: tuple[str, ...] | None, sensor: str | None
) -> None:
    for i in range(6):
        write_tif(tmp_path / f"{i}.tif", made(i), names)
    domain = Satellite(sensor=sensor)
    assert find_faults(load_manifest(Data(root=tmp_path), domain), domain.read, Silent()).faults == []


@pytest.mark.parametrize("classes", [("ground", "water"), ("target", "clutter"), ("label_0", "label_1"), ("with_mask", "without_mask")])
def test_classes_whose_images_are_numbered_alike_stay(tmp_path: Path, classes: tuple[str, str]) -> None:
    for name in classes:
        (tmp_path / name).mkdir()
        for i in range(4):
            Image.fromarray(DRAW.integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(tmp_path / name / f"{i:03d}.png")
    assert load_manifest(Data(root=tmp_path), Satellite()).classes == tuple(sorted(classes))


@pytest.mark.parametrize(
    "folders", [("ortho", "masks"), ("2_Ortho_RGB", "5_Labels_all"), ("images", "Semantic_masks"), ("aerial", "labels")]
)
def test_masks_beside_images_of_other_names_are_neither_classes_nor_images(tmp_path: Path, folders: tuple[str, str]) -> None:
    for name, stem in zip(folders, ("area", "color"), strict=True):
        (tmp_path / name).mkdir()
        for i in range(4):
            Image.fromarray(DRAW.integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(tmp_path / name / f"{stem}{i}.png")
    found = load_manifest(Data(root=tmp_path), Satellite())
    assert not found.classes and {row.id.partition("/")[0] for row in found.rows} == {folders[0]}


def test_a_band_without_data_is_named(tmp_path: Path) -> None:
    data = DRAW.uniform(0, 0.3, (3, 16, 16)).astype("float32")
    data[2] = np.nan
    write_tif(tmp_path / "a.tif", data, ("B2", "B3", "B10"))
    domain = Satellite()
    (fault,) = find_faults(load_manifest(Data(root=tmp_path), domain), domain.read, Silent()).faults
    assert "a.tif: B10 holds no measurement, other bands do; leave it out with reader.bands=" in fault


def test_thousands_of_equal_images_are_told_in_no_time() -> None:
    from labelfree.data.same_values import groups_of_copies

    (group,) = groups_of_copies(np.ones((50_000, 6)))
    assert len(group) == 50_000
