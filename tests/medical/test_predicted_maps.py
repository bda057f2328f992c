"""Maps of classes as files: what was written strip by strip is read back, on the grid of its image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from labelfree_medical import Medical
from labelfree_medical.masks.grids import Grid
from labelfree_medical.predicted_maps import ClassMap
from labelfree_medical.put_back import Original
from PIL import Image

from labelfree.domain import NOTHING, Sample, WritesMaps
from labelfree.errors import DataError

AFFINE = np.array([[2.0, 0, 0, -5], [0, 3, 0, 1], [0, 0, 4, 7], [0, 0, 0, 1]])


def filled(tmp_path: Path, *size: int) -> tuple[list[Path], np.ndarray]:
    numbers = np.arange(np.prod(size)).reshape(size) % 3
    numbers.flat[0] = NOTHING
    original = Original(Grid(size, AFFINE), np.eye(4)) if len(size) == 3 else None
    written = ClassMap(size, tmp_path / "maps" / "a", ["none", "organ", "lesion"], original)
    for start in range(0, size[0], 2):
        written.write(start, numbers[start : start + 2], np.full(numbers[start : start + 2].shape, 0.5))
    assert written.counts.tolist() == [(numbers == number).sum() for number in range(3)]
    return written.close(), np.where(numbers == NOTHING, 255, numbers)


def test_of_a_picture_a_picture(tmp_path):
    (classes, confidence), expected = filled(tmp_path, 5, 4)
    assert classes.name == "a.png" and (np.asarray(Image.open(classes)) == expected).all()
    assert set(np.unique(np.asarray(Image.open(confidence)))) == {50, 255}
    assert len({tuple(colour) for colour in np.asarray(Image.open(classes).convert("RGB")).reshape(-1, 3)}) == 4


def test_of_a_volume_nifti_on_its_grid(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    (classes, _), expected = filled(tmp_path, 4, 3, 2)
    read = nibabel.load(classes)
    assert (np.asarray(read.dataobj) == expected).all() and np.allclose(read.affine, AFFINE)


def test_shapes_on_the_ground_are_refused():
    assert isinstance(Medical(), WritesMaps)
    with pytest.raises(DataError, match=r"region\.gpkg: shapes need images with coordinates"):
        Medical.region(Path("region.gpkg"), Sample(torch.zeros(1, 2, 2), ("x",), (1.0,), (0.0,), "stored"), (2, 2))
