"""Volumes that are masks of others by their names are found as people lay them out, and nothing else is one."""

from __future__ import annotations

from pathlib import Path
from time import process_time

import pytest
from labelfree_medical.masks.class_files import with_class_files
from labelfree_medical.masks.named_masks import with_named_masks
from labelfree_medical.stored import ImageFiles, Listing, NoImage


def listing(*names: str, aside: tuple[str, ...] = ()) -> Listing:
    images = tuple(ImageFiles(Path(name), (Path(name),), "volume", series="1.2" if name.endswith(".dcm") else "") for name in names)
    return Listing(images, tuple(NoImage((Path(name),), "a map of labels") for name in aside))


def masks_of(found: Listing) -> dict[str, str | None]:
    return {str(image.path): str(image.mask) if image.mask else None for image in found.images}


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("a.nii.gz", "a_mask.nii.gz"),
        ("p1.2.nii.gz", "p1.2-seg.mha"),
        ("ct_07.nrrd", "label_07.nrrd"),
        ("volume-3.nii", "segmentation-3.nii"),
        ("images/a.nii.gz", "masks/a.nii.gz"),
        ("imagesTr/a.nii.gz", "labelsTr/a.nii.gz"),
        ("images/a_ct.nii.gz", "segmentations/a_mask.nii.gz"),
        ("a.nii.gz", "labels/a.nii.gz"),
        ("case_1/imaging.nii.gz", "case_1/segmentation.nii.gz"),
        ("case_1/anything.nii.gz", "case_1/mask.nii.gz"),
        ("P0/IM0001.dcm", "P0/seg.nii.gz"),
        ("P0/ct/IM0001.dcm", "P0/segmentation.nii.gz"),
        ("ct.nii.gz", "ct.seg.nrrd"),
        ("Ärztin.nii.gz", "Ärztin_Mask.nii.gz"),
    ],
)
def test_masks_as_people_name_them(image: str, mask: str) -> None:
    found = with_named_masks(listing(image, mask))
    assert masks_of(found) == {image: mask} and Path(mask).name in found.notes[0]
    aside = with_named_masks(listing(image, aside=(mask,)))
    assert masks_of(aside) == {image: mask} and not aside.no_images


def test_one_mask_lies_on_each_sequence_of_its_patient() -> None:
    found = with_named_masks(listing("a_t1.nii.gz", "a_flair.nii.gz", "a_seg.nii.gz", "b_t1.nii.gz", "b_t1_seg.nii.gz", "b_t2.nii.gz"))
    assert masks_of(found) == {
        "a_t1.nii.gz": "a_seg.nii.gz", "a_flair.nii.gz": "a_seg.nii.gz", "b_t1.nii.gz": "b_t1_seg.nii.gz", "b_t2.nii.gz": None,
    }  # fmt: skip


def test_masks_of_the_training_part_lie_on_its_images() -> None:
    found = with_named_masks(listing("imagesTr/a.nii.gz", "imagesTs/a.nii.gz", "labelsTr/a.nii.gz"))
    assert masks_of(found) == {"imagesTr/a.nii.gz": "labelsTr/a.nii.gz", "imagesTs/a.nii.gz": None}


@pytest.mark.parametrize(
    "names",
    [
        ("mask_1.nii.gz", "mask_2.nii.gz"),  # nobody's
        ("a.nii.gz", "b_mask.nii.gz"),
        ("unmasked_a.nii.gz", "a.nii.gz"),
        ("case_1.nii.gz", "case_2.nii.gz", "case_mask.nii.gz"),
        ("a.nii.gz", "a_mask.nii.gz", "a_seg.nii.gz"),  # which of the two?
    ],
)
def test_what_is_nobody_s_mask_stays_an_image(names: tuple[str, ...]) -> None:
    given = listing(*names)
    assert with_named_masks(given) == given


def test_a_folder_of_masks_holds_no_images() -> None:
    found = with_named_masks(listing("P0/ct.nii.gz", "P0/segmentations/liver.nii.gz", "P0/segmentations/spleen.nii.gz"))
    assert masks_of(found) == {"P0/ct.nii.gz": None}
    assert [str(other.files[0]) for other in found.no_images] == ["P0/segmentations/liver.nii.gz", "P0/segmentations/spleen.nii.gz"]
    for only in (listing("labels/a.nii.gz", "labels/b.nii.gz"), listing("labels/a.nii.gz", "labels/p1/b.nii.gz")):
        assert with_named_masks(only) == only


def test_files_of_one_class_each_are_one_mask_of_the_only_volume_beside_their_folder() -> None:
    names = [f"P{number}/segmentations/{organ}.nii.gz" for number in (0, 1) for organ in ("liver", "spleen")][:3]  # P1 has no spleen
    found = with_class_files(with_named_masks(listing("P0/ct.nii.gz", "P1/ct.nii.gz", *names)))
    assert [tuple(map(str, image.mask_files)) for image in found.images] == [tuple(names[:2]), tuple(names[2:])]
    assert masks_of(found) == {"P0/ct.nii.gz": names[0], "P1/ct.nii.gz": names[2]} and not found.no_images
    assert "2 volumes have a file for each class beside them (liver.nii.gz, spleen.nii.gz, …)" in found.notes[-1]
    series = with_class_files(with_named_masks(listing("P0/ct/IM1.dcm", *names[:2])))
    assert [len(image.mask_files) for image in series.images] == [2]


@pytest.mark.parametrize(
    "names",
    [
        ("P0/t1.nii.gz", "P0/t2.nii.gz", "P0/segmentations/liver.nii.gz", "P0/segmentations/spleen.nii.gz"),  # of which of the two?
        ("P0/ct.nii.gz", "P0/segmentations/liver.nii.gz"),  # one file alone may be anything
        ("images/a.nii.gz", "labels/x.nii.gz", "labels/y.nii.gz"),  # masks of cases whose images are elsewhere
    ],
)
def test_what_may_not_be_files_of_one_class_each_stays_aside(names: tuple[str, ...]) -> None:
    given = with_named_masks(listing(*names))
    assert with_class_files(given) == given and masks_of(given) and not any(masks_of(given).values())


def test_many_folders_take_no_time() -> None:
    names = [f"P{number}/{kind}/scan.nii.gz" for number in range(3000) for kind in ("images", "labels")]
    start = process_time()
    found = with_named_masks(listing(*names))
    assert len(found.images) == 3000 and all(image.mask for image in found.images)
    assert process_time() - start < 5
