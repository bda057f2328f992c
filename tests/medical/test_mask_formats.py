"""Masks of every format, as other programs write them, come out as whole numbers on their image's grid."""

from __future__ import annotations

from pathlib import Path

import nrrd
import numpy as np
import pytest
import tifffile
from labelfree_medical import Medical
from labelfree_medical.files import list_files
from labelfree_medical.masks.named_masks import with_named_masks
from labelfree_medical.masks.segment_names import with_segment_names
from labelfree_medical.masks.targets import read_mask
from labelfree_medical.stored import Stored
from PIL import Image

from labelfree.data.masks import MINUS_ONE
from labelfree.data.pixel_labels import pixel_labels
from labelfree.domain import IGNORE, Window
from labelfree.errors import DataError
from tests.medical.mask_files import LPS, SLANTED, STRAIGHT, class_names, volume, write_mha, write_nifti, write_segments

SIZE = (8, 9, 6)
CLASSES = np.random.default_rng(1).integers(0, 4, SIZE).astype(np.uint8)


def mask_of(path: Path, image: Stored | None = None, **more: object) -> np.ndarray:
    mask = read_mask(path, image or volume(SIZE), called="images/a.nii.gz", **more).mask  # type: ignore[arg-type]
    assert mask is not None
    return mask.numpy()


@pytest.mark.parametrize("affine", [STRAIGHT, SLANTED])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32, np.float64])
def test_nifti(affine: np.ndarray, dtype: type, tmp_path: Path) -> None:
    stored = write_nifti(tmp_path / "a.nii.gz", CLASSES.astype(dtype), affine)
    found = mask_of(stored, volume(SIZE, affine))
    assert np.array_equal(found, CLASSES) and found.dtype == np.int32


@pytest.mark.parametrize("name", ["a.mha", "a.mhd", "a.nrrd"])
def test_metaimage_and_nrrd(name: str, tmp_path: Path) -> None:
    straight = STRAIGHT @ np.diag([-1, 1, 1, 1]) + [[0, 0, 0, 5.6], *[[0] * 4] * 3]  # stored from right to left
    if name.endswith("nrrd"):
        lps = LPS @ straight
        header = {"space": "left-posterior-superior", "space origin": lps[:3, 3], "space directions": lps[:3, :3].T}
        nrrd.write(str(tmp_path / name), CLASSES, header)
    else:
        write_mha(tmp_path / name, CLASSES, straight)
    assert np.array_equal(mask_of(tmp_path / name), CLASSES[::-1])


def test_numbers_within_rounding_and_an_axis_of_one_are_labels(tmp_path: Path) -> None:
    noisy = CLASSES[..., None] * 1.0000001
    assert np.array_equal(mask_of(write_nifti(tmp_path / "a.nii.gz", noisy, STRAIGHT + 1e-5)), CLASSES)


def test_fractions_are_refused_by_a_number_of_theirs(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.nii\.gz: holds fractions \(0\.5\); save a mask whose whole numbers"):
        mask_of(write_nifti(tmp_path / "a.nii.gz", np.full(SIZE, 0.5)))


def test_what_is_no_number_is_unknown(tmp_path: Path) -> None:
    holes = CLASSES.astype(np.float32)
    holes[0] = np.nan
    found = mask_of(write_nifti(tmp_path / "a.nii.gz", holes))
    assert (found[0] == IGNORE).all() and np.array_equal(found[1:], CLASSES[1:])


def test_minus_one_is_a_number_like_others_and_not_our_word_for_nobody_knows(tmp_path: Path) -> None:
    held = CLASSES.astype(np.int16)
    held[0] = -1
    file = write_nifti(tmp_path / "a_mask.nii.gz", held)
    write_nifti(tmp_path / "a.nii.gz", np.ones(SIZE, np.int16))
    assert (mask_of(file)[0] == MINUS_ONE).all() and np.array_equal(mask_of(file)[1:], held[1:])
    domain = Medical()
    rows = domain.contents(tmp_path).rows
    with pytest.raises(DataError, match=r"a_mask\.nii\.gz: holds -1: say data\.classes="):
        pixel_labels(rows, domain, domain.read)
    said = pixel_labels(rows, domain, domain.read, {"-1": "ignore"})
    assert (said.mask(rows[0], domain.read(rows[0]))[0] == IGNORE).all() and sum(said.pixels[rows[0].id].values()) == held[1:].size


def test_several_channels_are_no_mask(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds 3 channels that differ"):
        mask_of(write_nifti(tmp_path / "a.nii.gz", np.stack([CLASSES, CLASSES, CLASSES + 1], -1)))


def test_a_mask_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such mask"):
        mask_of(tmp_path / "a.nii.gz")


def picture(height: int = 8, width: int = 9) -> Stored:
    return Stored(np.zeros((1, height, width), np.uint8), ("gray",), (1 / 255,), (0.0,), "display")


def test_pictures_keep_their_numbers_and_equal_channels_are_one(tmp_path: Path) -> None:
    flat = CLASSES[:, :, 0]
    Image.fromarray(flat).save(tmp_path / "gray.png")
    Image.fromarray(np.stack([flat * 85] * 3, -1)).save(tmp_path / "rgb.png")
    indexed = Image.fromarray(flat, "P")
    indexed.putpalette([7, 7, 7, 200, 0, 0, 0, 200, 0, 0, 0, 200])
    indexed.save(tmp_path / "palette.png")
    assert np.array_equal(mask_of(tmp_path / "gray.png", picture()), flat)
    assert np.array_equal(mask_of(tmp_path / "palette.png", picture()), flat)
    assert np.array_equal(mask_of(tmp_path / "rgb.png", picture()), flat * 85)
    part = mask_of(tmp_path / "gray.png", picture(4, 5), window=Window((2, 1), (4, 5)))
    assert np.array_equal(part, flat[2:6, 1:6])


def test_a_picture_of_another_size_is_refused(tmp_path: Path) -> None:
    Image.fromarray(CLASSES[:, :, 0]).save(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"a\.png: 8 x 9 voxels, its image images/a\.nii\.gz has 8 x 8"):
        mask_of(tmp_path / "a.png", picture(8, 8))


def test_a_jpeg_under_another_name_is_refused(tmp_path: Path) -> None:
    Image.fromarray(CLASSES[:, :, 0] * 60).save(tmp_path / "a.png", format="JPEG")
    with pytest.raises(DataError, match=r"a\.png: is a JPEG, which changes numbers around every edge"):
        mask_of(tmp_path / "a.png", picture())


def test_segments_in_one_layer_keep_their_labels_and_lie_where_they_were_cropped(tmp_path: Path) -> None:
    crop = STRAIGHT.copy()
    crop[:3, 3] = (STRAIGHT @ [2, 3, 1, 1])[:3]
    segments = [{"Name": "liver", "LabelValue": 1, "Layer": 0}, {"Name": "cyst", "LabelValue": 3, "Layer": 0}]
    part = np.where(CLASSES[2:6, 3:8, 1:4] == 2, 0, CLASSES[2:6, 3:8, 1:4])
    file = write_segments(tmp_path / "a.seg.nrrd", part[None], segments, crop)
    expected = np.zeros(SIZE, int)
    expected[2:6, 3:8, 1:4] = part
    assert np.array_equal(mask_of(file), expected)
    assert class_names([file]) == {1: "liver", 3: "cyst"}


def test_what_segments_share_is_a_class_named_after_them(tmp_path: Path) -> None:
    liver, lesion = np.zeros((2, *SIZE), np.uint8)
    liver[2:6], lesion[4:7] = 1, 1
    segments = [{"Name": "liver", "LabelValue": 1, "Layer": 0}, {"Name": "lesion", "LabelValue": 1, "Layer": 1}]
    file = write_segments(tmp_path / "a.seg.nrrd", np.stack([liver, lesion]), segments)
    assert class_names([file]) == {1: "liver", 2: "lesion", 3: "lesion + liver"}
    assert mask_of(file)[:, 0, 0].tolist() == [0, 0, 1, 1, 3, 3, 2, 0]


def test_files_that_number_their_segments_otherwise_agree_by_name(tmp_path: Path) -> None:
    first = write_segments(
        tmp_path / "a.seg.nrrd", CLASSES[None], [{"Name": name, "LabelValue": number} for number, name in enumerate("xyz", 1)]
    )
    second = write_segments(
        tmp_path / "b.seg.nrrd", CLASSES[None], [{"Name": name, "LabelValue": number} for number, name in enumerate("zxy", 1)]
    )
    names = class_names([first, second])
    assert names == {1: "x", 2: "y", 3: "z"}
    assert np.array_equal(mask_of(first, names=names), CLASSES)
    assert np.array_equal(mask_of(second, names=names), np.array([0, 3, 1, 2])[CLASSES])
    with pytest.raises(DataError, match=r"b\.seg\.nrrd: holds a segment 'z', which is none of the classes \(x, y\)"):
        mask_of(second, names={1: "x", 2: "y"})


def test_a_segment_in_a_layer_that_is_not_there_is_named(tmp_path: Path) -> None:
    file = write_segments(tmp_path / "a.seg.nrrd", CLASSES[None], [{"Name": "x", "LabelValue": 1, "Layer": 4}])
    with pytest.raises(DataError, match="its segment 'x' lies in layer 4"):
        mask_of(file)


def test_a_slicer_file_beside_its_image_is_its_mask(tmp_path: Path) -> None:
    write_nifti(tmp_path / "1.2.nii.gz", CLASSES)
    file = write_segments(tmp_path / "1.2.seg.nrrd", CLASSES[None], [{"Name": "liver", "LabelValue": 1}])
    paired = with_segment_names(with_named_masks(list_files(tmp_path)))
    assert [(image.path.name, image.mask) for image in paired.images] == [("1.2.nii.gz", file)]
    assert paired.classes == {1: "liver"} and not paired.no_images


def test_segments_that_no_image_claims_still_name_the_classes(tmp_path: Path) -> None:
    write_nifti(tmp_path / "a.nii.gz", CLASSES)
    write_segments(tmp_path / "drawn.seg.nrrd", CLASSES[None], [{"Name": "liver", "LabelValue": 1}])
    paired = with_segment_names(with_named_masks(list_files(tmp_path)))
    assert paired.images[0].mask is None and paired.classes == {1: "liver"} and len(paired.no_images) == 1


def test_a_stack_of_pictures_is_the_mask_of_a_volume_and_one_picture_is_none(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", CLASSES)
    assert np.array_equal(mask_of(tmp_path / "a.tif", volume(SIZE, None)), CLASSES)
    Image.fromarray(CLASSES[:, :, 0]).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="8 x 9 voxels, its image images/a.nii.gz has 8 x 9 x 6"):
        mask_of(tmp_path / "a.png")


def test_numbers_of_other_masks_are_not_named_by_a_segmentation_that_lies_about(tmp_path: Path) -> None:
    write_nifti(tmp_path / "a.nii.gz", CLASSES)
    write_nifti(tmp_path / "a_mask.nii.gz", CLASSES)
    write_segments(tmp_path / "drawn.seg.nrrd", CLASSES[None], [{"Name": "liver", "LabelValue": 1}])
    assert not with_segment_names(with_named_masks(list_files(tmp_path))).classes
