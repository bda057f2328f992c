"""DICOM segmentations, as highdicom writes them, lie where they were drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from labelfree_medical.masks.dicom_seg import CONTOURS, names_apart, object_class
from labelfree_medical.masks.segment_names import with_segment_names
from labelfree_medical.masks.targets import read_mask
from labelfree_medical.stored import ImageFiles, Listing, NoImage, Stored

from labelfree.errors import DataError
from tests.medical.mask_files import STRAIGHT, class_names, slices, volume, write_seg

SIZE = (9, 8, 6)  # columns, rows, slices: as a NIfTI of the same series has them
SAGITTAL = np.array([[0, 0, 3.0, -20], [0.7, 0, 0, 5], [0, -0.7, 0, 60], [0, 0, 0, 1]])


def drawn() -> np.ndarray:
    """(slices, rows, columns, segments): a liver and a lesion apart from it."""
    layers = np.zeros((6, 8, 9, 2), np.uint8)
    layers[2:4, 1:5, 2:6, 0] = 1
    layers[3, 6, 7, 1] = 1
    return layers


def mask_of(path: Path, affine: np.ndarray = STRAIGHT) -> np.ndarray:
    mask = read_mask(path, volume(SIZE, affine)).mask
    assert mask is not None
    return mask.numpy()


def by_columns(layers: np.ndarray) -> np.ndarray:
    """(columns, rows, slices) with the number of the last segment at each voxel."""
    return (layers * np.arange(1, layers.shape[-1] + 1)).max(-1).transpose(2, 1, 0)


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP", "FRACTIONAL"])
def test_segments_lie_on_the_image_s_grid(kind: str, tmp_path: Path) -> None:
    write_seg(tmp_path / "a.dcm", slices(), drawn(), ["liver", "lesion"], kind)
    assert np.array_equal(mask_of(tmp_path / "a.dcm"), by_columns(drawn()))
    assert class_names([tmp_path / "a.dcm"]) == {1: "liver", 2: "lesion"}


def test_overlapping_segments_are_told_apart(tmp_path: Path) -> None:
    layers = drawn()
    layers[3, 2, 3, 1] = 1
    write_seg(tmp_path / "a.dcm", slices(), layers, ["liver", "lesion"])
    assert class_names([tmp_path / "a.dcm"]) == {1: "liver", 2: "lesion", 3: "lesion + liver"}
    found = mask_of(tmp_path / "a.dcm")
    assert found[3, 2, 3] == 3 and (found == 1).sum() == 31 and (found == 2).sum() == 1


def test_slices_between_those_drawn_are_empty(tmp_path: Path) -> None:
    layers = np.zeros((6, 8, 9), np.uint8)
    layers[[0, 4], 2, 3] = 1
    write_seg(tmp_path / "a.dcm", slices(), layers, ["node"])
    assert mask_of(tmp_path / "a.dcm")[3, 2].tolist() == [1, 0, 0, 0, 1, 0]


def test_one_slice_is_one_slice(tmp_path: Path) -> None:
    layers = np.zeros((6, 8, 9), np.uint8)
    layers[4, 2, 3] = 1
    write_seg(tmp_path / "a.dcm", slices(), layers, ["node"])
    assert np.argwhere(mask_of(tmp_path / "a.dcm")).tolist() == [[3, 2, 4]]


def test_a_segmentation_of_another_patient_misses(tmp_path: Path) -> None:
    write_seg(tmp_path / "a.dcm", slices(), drawn(), ["liver", "lesion"])
    elsewhere = STRAIGHT.copy()
    elsewhere[2, 3] += 300
    with pytest.raises(DataError, match=r"a\.dcm: lies \d+ mm beside its image"):
        mask_of(tmp_path / "a.dcm", elsewhere)


def test_shares_of_a_voxel_are_refused(tmp_path: Path) -> None:
    write_seg(tmp_path / "a.dcm", slices(), drawn() * 0.5, ["liver", "lesion"], "FRACTIONAL")
    with pytest.raises(DataError, match=r"a\.dcm: holds fractions \(a FRACTIONAL segmentation\)"):
        mask_of(tmp_path / "a.dcm")


def test_contours_are_named_with_a_way_out(tmp_path: Path) -> None:
    header = slices(1)[0]
    header.SOPClassUID = CONTOURS
    header.save_as(tmp_path / "RS.dcm", enforce_file_format=True)
    assert object_class(tmp_path / "RS.dcm") == CONTOURS
    with pytest.raises(DataError, match=r"RS\.dcm: is contours \(RTSTRUCT\), not read as a mask; export them as DICOM-SEG or NIfTI"):
        mask_of(tmp_path / "RS.dcm")


def test_a_broken_segmentation_is_one_sentence(tmp_path: Path) -> None:
    write_seg(tmp_path / "a.dcm", slices(), drawn(), ["liver", "lesion"])
    broken = pydicom.dcmread(tmp_path / "a.dcm")
    del broken.SegmentSequence
    broken.save_as(tmp_path / "a.dcm")
    with pytest.raises(DataError, match=r"a\.dcm: is a DICOM segmentation that cannot be read"):
        mask_of(tmp_path / "a.dcm")


def test_a_paired_segmentation_names_the_classes_and_is_left_aside_no_longer(tmp_path: Path) -> None:
    sources = slices()
    seg, other = tmp_path / "seg.dcm", tmp_path / "other.dcm"
    write_seg(seg, sources, drawn(), ["liver", "lesion"])
    sources[0].save_as(other, enforce_file_format=True)
    image = ImageFiles(tmp_path / "IM1", (tmp_path / "IM1",), "volume", mask=seg)
    paired = with_segment_names(Listing((image,), (NoImage((seg,), "a segmentation"), NoImage((other,), "a scout"))))
    assert [each.mask for each in paired.images] == [seg] and [each.files for each in paired.no_images] == [(other,)]
    assert paired.classes == {1: "liver", 2: "lesion"}


def test_a_paired_segmentation_that_is_broken_is_a_fault(tmp_path: Path) -> None:
    seg = write_seg(tmp_path / "seg.dcm", slices(), drawn(), ["liver", "lesion"])
    broken = pydicom.dcmread(seg)
    del broken.SegmentSequence
    broken.save_as(seg)
    image = ImageFiles(tmp_path / "IM1", (tmp_path / "IM1",), "volume", mask=seg)
    paired = with_segment_names(Listing((image,), (NoImage((seg,), "a segmentation"),)))
    assert paired.images[0].mask is None and "cannot be read" in paired.untrusted[0].sentence


def test_a_mask_that_is_a_dicom_picture_is_read_as_one(tmp_path: Path) -> None:
    header = slices(1)[0]
    header.SOPClassUID, header.Modality = "1.2.840.10008.5.1.4.1.1.1.2", "MG"
    numbers = np.zeros((8, 9), np.uint16)
    numbers[2:4, 3] = 1
    header.PixelRepresentation, header.PixelData = 0, numbers.tobytes()
    header.save_as(tmp_path / "roi.dcm", enforce_file_format=True)
    film = Stored(np.zeros((1, 8, 9), np.uint16), ("gray",), (1.0,), (0.0,), "stored")
    mask = read_mask(tmp_path / "roi.dcm", film).mask
    assert mask is not None and np.array_equal(mask.numpy(), numbers)


def test_a_header_names_segments_that_cannot_overlap_without_their_voxels(tmp_path: Path) -> None:
    apart = write_seg(tmp_path / "a.dcm", slices(), drawn(), ["liver", "lesion"], "LABELMAP")
    assert names_apart(apart) == {1: "liver", 2: "lesion"}


def test_segments_of_a_film_lie_pixel_by_pixel(tmp_path: Path) -> None:
    source = slices(1)[0]
    source.SOPClassUID, source.Modality = "1.2.840.10008.5.1.4.1.1.1.1", "DX"
    for name in ("ImagePositionPatient", "ImageOrientationPatient", "FrameOfReferenceUID", "SliceThickness"):
        delattr(source, name)
    write_seg(tmp_path / "a.dcm", [source], drawn()[3:4], ["liver", "lesion"])
    film = Stored(np.zeros((1, 8, 9), np.uint16), ("gray",), (1.0,), (0.0,), "stored")
    mask = read_mask(tmp_path / "a.dcm", film).mask
    assert mask is not None and np.array_equal(mask.numpy(), by_columns(drawn())[:, :, 3].T)


def test_segments_of_a_turned_series_lie_on_it(tmp_path: Path) -> None:
    write_seg(tmp_path / "a.dcm", slices(affine=SAGITTAL), drawn(), ["liver", "lesion"])
    assert np.array_equal(mask_of(tmp_path / "a.dcm", SAGITTAL), by_columns(drawn()))


def test_segments_without_a_step_between_slices_lie_where_frames_do(tmp_path: Path) -> None:
    write_seg(tmp_path / "a.dcm", slices(), drawn(), ["liver", "lesion"])
    bare = pydicom.dcmread(tmp_path / "a.dcm")
    for name in ("SpacingBetweenSlices", "SliceThickness"):
        bare.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].pop(name, None)
    bare.save_as(tmp_path / "a.dcm")
    assert np.array_equal(mask_of(tmp_path / "a.dcm"), by_columns(drawn()))


def test_rounded_positions_are_no_uneven_ones(tmp_path: Path) -> None:
    fine = STRAIGHT @ np.diag([1, 1, 0.3125, 1])  # slices every 0.625 mm
    sources = slices(affine=fine)
    for source in sources:
        source.ImagePositionPatient = [round(float(value), 1) for value in source.ImagePositionPatient]
    write_seg(tmp_path / "a.dcm", sources, drawn(), ["liver", "lesion"])
    assert np.array_equal(mask_of(tmp_path / "a.dcm", fine), by_columns(drawn()))


def test_slices_at_uneven_distances_are_refused(tmp_path: Path) -> None:
    sources = slices()
    sources[3].ImagePositionPatient[2] += 0.9
    layers = np.ones((6, 8, 9), np.uint8)
    write_seg(tmp_path / "a.dcm", sources, layers, ["liver"])
    with pytest.raises(DataError, match=r"a\.dcm: is a DICOM segmentation that cannot be read \(.*spac"):
        mask_of(tmp_path / "a.dcm")
