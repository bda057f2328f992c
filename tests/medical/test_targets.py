"""Labels on the grid of the image as the domain prepares it: whole volumes, slices of them, pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from labelfree_medical import Medical
from PIL import Image

from labelfree.data.label_formats.voc import drawn_by_table
from labelfree.domain import ReadsTargets, Row
from labelfree.errors import DataError
from tests.medical.mask_files import STRAIGHT, write_nifti

SIZE = (8, 9, 6)
NUMBERS = np.random.default_rng(2).integers(0, 4, SIZE).astype(np.uint8)
FROM_THE_LEFT = STRAIGHT @ np.array([[-1, 0, 0, 7], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])  # stored left, anterior, superior


def volume(folder: Path, mask: str) -> Row:
    """A row whose voxels are their own numbers, so that image and mask can be told to match."""
    write_nifti(folder / "image.nii.gz", NUMBERS.astype(np.int16), FROM_THE_LEFT)
    return Row("image.nii.gz", folder / "image.nii.gz", mask=str(folder / mask))


def test_the_domain_reads_targets() -> None:
    assert isinstance(Medical(), ReadsTargets)


@pytest.mark.parametrize("mask", ["mask.nii.gz", "mask.npy"])
def test_a_mask_is_turned_with_its_image_with_coordinates_or_without(mask: str, tmp_path: Path) -> None:
    row, domain = volume(tmp_path, mask), Medical()
    write_nifti(tmp_path / mask, NUMBERS, FROM_THE_LEFT) if mask.endswith("gz") else np.save(tmp_path / mask, NUMBERS)
    sample = domain.read(row)
    found = domain.read_targets(row, sample).mask
    assert found is not None and np.array_equal(found.numpy(), sample.data[0].numpy())
    assert np.array_equal(found.numpy(), NUMBERS[::-1])


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_each_slice_has_its_part_of_the_mask(plane: str, tmp_path: Path) -> None:
    write_nifti(tmp_path / "image.nii.gz", NUMBERS.astype(np.int16), FROM_THE_LEFT)
    write_nifti(tmp_path / "image_mask.nii.gz", NUMBERS[::-1])  # the same place, stored from the right
    domain = Medical(slices=plane)
    rows = domain.contents(tmp_path).rows
    assert len(rows) == SIZE[{"sagittal": 0, "coronal": 1, "axial": 2}[plane]]
    assert {row.group for row in rows} == {"image.nii.gz"}  # slices of a volume never straddle a split
    for row in rows:
        sample = domain.read(row)
        found = domain.read_targets(row, sample).mask
        assert found is not None and np.array_equal(found.numpy(), sample.data[0].numpy()), row.id


def voc(folder: Path) -> str:
    box = "<bndbox><xmin>2</xmin><ymin>3</ymin><xmax>5</xmax><ymax>4</ymax></bndbox>"
    (folder / "boxes.xml").write_text(f"<annotation><object><name>cell</name>{box}</object></annotation>")
    return str(folder / "boxes.xml")


def test_boxes_of_pictures_are_top_left_bottom_right(tmp_path: Path) -> None:
    Image.fromarray(NUMBERS[:, :, 0]).save(tmp_path / "a.png")
    [row], _ = drawn_by_table([Row("a.png", tmp_path / "a.png", boxes=voc(tmp_path))])
    targets = Medical().read_targets(row, Medical().read(row))
    assert targets.mask is None and targets.names == ("cell",)
    assert targets.boxes is not None and targets.boxes.tolist() == [[2, 1, 4, 5]]
    both = replace(row, mask=str(tmp_path / "a.png"))
    mask = Medical().read_targets(both, Medical().read(both)).mask
    assert mask is not None and np.array_equal(mask.numpy(), NUMBERS[:, :, 0])


def test_boxes_of_volumes_are_refused(tmp_path: Path) -> None:
    row = volume(tmp_path, "mask.nii.gz")
    [drawn], _ = drawn_by_table([replace(row, mask=None, boxes=voc(tmp_path))])
    with pytest.raises(DataError, match="boxes are drawn on pictures, .* is a volume; give a mask"):
        Medical().read_targets(drawn, Medical().read(row))


def test_a_mask_beside_its_image_is_named_with_it(tmp_path: Path) -> None:
    row = volume(tmp_path, "mask.nii.gz")
    elsewhere = FROM_THE_LEFT.copy()
    elsewhere[0, 3] += 500
    write_nifti(tmp_path / "mask.nii.gz", NUMBERS, elsewhere)
    with pytest.raises(DataError, match=r"mask\.nii\.gz: lies 500 mm beside its image .*image\.nii\.gz"):
        Medical().read_targets(row, Medical().read(row))
