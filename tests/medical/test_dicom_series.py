"""What a series is made of: volumes, pictures, what is none, what cannot be trusted."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from highdicom import get_volume_from_series
from labelfree_medical import Medical
from labelfree_medical.dicom import files_of, list_dicom, read_dicom
from pydicom import Dataset, dcmread
from pydicom.uid import generate_uid
from scipy.spatial.transform import Rotation

from tests.medical.dicom_writing import (
    CAPTURE,
    CORONAL,
    CR,
    ENHANCED_MR,
    MR,
    NM,
    ULTRASOUND_CINE,
    enhanced,
    header,
    slice_at,
    with_pixels,
    write,
    write_stack,
)  # fmt: skip

HEIGHTS = (0.0, 2.5, 5.0, 7.5)
pytestmark = pytest.mark.usefixtures("own_cache")


def said(listing) -> list[str]:
    return [each.reason for each in listing.no_images]


def test_names_and_instance_numbers_order_nothing(tmp_path) -> None:
    for name, number, z in (("b", 9, 0.0), ("a", 1, 5.0), ("c", 1, 2.5)):
        write(tmp_path / name, slice_at((0, 0, z), InstanceNumber=number))
    (image,) = list_dicom(tmp_path).images
    stored = read_dicom(image)
    assert stored.data[0, :, 0, 0].tolist() == [0, 25, 50]
    assert stored.affine[2, 0] == 2.5


def test_a_series_in_two_folders_is_one(tmp_path) -> None:
    write_stack(tmp_path / "a", HEIGHTS[:2])
    files = write_stack(tmp_path / "b", HEIGHTS[2:])
    (image,) = list_dicom(tmp_path).images
    assert len(image.files) == 4 and files_of(files[0]).images == (image,)


def test_a_copy_in_the_folder_beside_does_not_hide_a_file(tmp_path) -> None:
    for folder in "ab":
        for z in HEIGHTS:
            write(tmp_path / folder / f"{z}.dcm", slice_at((0, 0, z), SOPInstanceUID=f"1.2.{z:.0f}"))
    (image,) = files_of(tmp_path / "b" / "0.0.dcm").images
    assert {file.parent.name for file in image.files} == {"b"}


def test_many_folders_beside_are_not_looked_through(tmp_path) -> None:
    for number in range(20):
        (tmp_path / f"other {number}").mkdir()
    write_stack(tmp_path / "a", HEIGHTS[:2])
    files = write_stack(tmp_path / "b", HEIGHTS[2:])
    assert len(files_of(files[0]).images[0].files) == 2


@pytest.mark.parametrize(
    "mark",
    [
        *("EchoTime", "DiffusionBValue", "TemporalPositionIdentifier", "ConvolutionKernel", "AcquisitionNumber", "TriggerTime"),
        *("InversionTime", "KVP", "ContentTime"),
    ],
)
def test_images_at_the_same_places_are_told_apart(tmp_path, mark) -> None:
    values = {"ConvolutionKernel": ("B30f", "B60f"), "ContentTime": ("100000", "100100")}.get(mark, (1, 2))
    for value in values:
        write_stack(tmp_path, HEIGHTS, names=f"{value}-{{}}.dcm", **{mark: value})
    images = list_dicom(tmp_path).images
    assert [len(image.files) for image in images] == [4, 4]
    assert {read_dicom(image).data.shape for image in images} == {(1, 4, 6, 5)}
    assert len({image.description for image in images}) == 2


def test_b_values_and_directions_together(tmp_path) -> None:
    for b, directions in ((0, 1), (1000, 3)):
        for direction in range(directions):
            given = {"storage": MR, "modality": "MR", "DiffusionBValue": b, "AcquisitionNumber": direction}
            write_stack(tmp_path, HEIGHTS, names=f"{b}-{direction}-{{}}.dcm", **given)
    assert [len(image.files) for image in list_dicom(tmp_path).images] == [4] * 4


def test_a_private_b_value_of_siemens_is_seen(tmp_path) -> None:
    for b in (0, 800):
        for z in HEIGHTS:
            dataset = slice_at((0, 0, z), storage=MR, modality="MR")
            dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0C, "IS", b)
            write(tmp_path / f"{b}-{z}", dataset)
    assert [image.description for image in list_dicom(tmp_path).images] == ["b 0", "b 800"]


def test_a_number_that_changes_in_every_slice_parts_nothing(tmp_path) -> None:
    for number, z in enumerate(HEIGHTS):
        write(
            tmp_path / f"{number}", slice_at((0, 0, z), AcquisitionNumber=number, AcquisitionTime=f"1000{number:02}", EchoTime=number + 1)
        )
    assert len(list_dicom(tmp_path).images) == 1


def test_slices_at_one_place_that_nothing_tells_apart_are_a_fault(tmp_path) -> None:
    write_stack(tmp_path, HEIGHTS)
    write(tmp_path / "IM0009.dcm", slice_at((-10, -20, 5.0), np.full((6, 5), 7, np.int16)))
    listing = list_dicom(tmp_path)
    (fault,) = listing.untrusted
    assert not listing.images and len(fault.files) == 5
    assert "two slices lie at 5 mm" in fault.sentence and "IM0001.dcm" in fault.sentence


def test_a_gap_is_a_fault_even_where_acquisition_numbers_change_there(tmp_path) -> None:
    for number, z in enumerate((0.0, 2.5, 5.0, 10.0, 12.5)):
        write(tmp_path / f"{number}", slice_at((0, 0, z), AcquisitionNumber=1 + (number > 2)))
    assert "missing between 5 and 10 mm" in list_dicom(tmp_path).untrusted[0].sentence


def test_copies_are_named_and_left_out(tmp_path) -> None:
    first = write_stack(tmp_path / "a", HEIGHTS)[0]
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    renamed = dcmread(first)
    renamed.SOPInstanceUID = renamed.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    renamed.save_as(tmp_path / "a" / "IM0099.dcm")
    listing = list_dicom(tmp_path)
    assert [image.files[0].parent.name for image in listing.images] == ["a"]
    assert len(listing.images[0].files) == 4 and not listing.untrusted
    assert len(said(listing)) == 5 and set(said(listing)) == {f"the same again as IM{k:04}.dcm" for k in (1, 2, 3, 4)}


def test_one_uid_for_all_slices_copies_nothing(tmp_path) -> None:
    for z in HEIGHTS:
        dataset = slice_at((0, 0, z))
        dataset.SOPInstanceUID = "1.2.3.4"
        write(tmp_path / f"{z}", dataset)
    listing = list_dicom(tmp_path)
    assert len(listing.images[0].files) == 4 and not listing.no_images


def test_projections_are_never_stacked(tmp_path) -> None:
    for z in HEIGHTS:
        write(tmp_path / f"{z}", slice_at((0, 0, z), storage=CR, modality="DX"))
    images = list_dicom(tmp_path).images
    assert [image.kind for image in images] == ["picture"] * 4
    assert read_dicom(images[0]).data.shape == (1, 6, 5)


def test_the_frames_of_a_cine_are_pictures(tmp_path) -> None:
    pixels = np.arange(3 * 6 * 5 * 3, dtype=np.uint8).reshape(3, 6, 5, 3)
    write(tmp_path / "loop.dcm", with_pixels(header(ULTRASOUND_CINE, "US"), pixels, frames=True))
    images = list_dicom(tmp_path).images
    assert [(image.kind, image.key) for image in images] == [("picture", f"frame {k}") for k in (1, 2, 3)]
    for number, image in enumerate(images):
        stored = read_dicom(image)
        assert stored.channels == ("red", "green", "blue")
        np.testing.assert_array_equal(stored.data, pixels[number].transpose(2, 0, 1))


def test_slices_that_watch_one_place_are_pictures(tmp_path) -> None:
    for time in range(5):
        write(tmp_path / f"{time}", slice_at((0, 0, 0), np.full((6, 5), time, np.int16), storage=MR, modality="MR", TriggerTime=40 * time))
    assert [image.kind for image in list_dicom(tmp_path).images] == ["picture"] * 5


def test_two_planes_are_two_volumes(tmp_path) -> None:
    for k, z in enumerate(HEIGHTS):
        write(tmp_path / f"a{k}", slice_at((0, 0, z)))
        write(tmp_path / f"c{k}", slice_at((0, z, 0), orientation=CORONAL))
    assert sorted(image.description for image in list_dicom(tmp_path).images) == ["axial", "coronal"]


def test_many_frames_of_two_times_are_two_volumes(tmp_path) -> None:
    heights = [5.0, 0.0, 2.5, 2.5, 0.0, 5.0]
    pixels = np.stack([np.full((6, 5), k, np.uint16) for k in range(6)])
    groups = [{"FrameContentSequence": {"TemporalPositionIndex": 1 + (k > 2)}} for k in range(6)]
    write(tmp_path / "a.dcm", enhanced(heights, pixels, groups, storage=ENHANCED_MR, modality="MR"))
    one, two = list_dicom(tmp_path).images
    assert one.key != two.key
    assert read_dicom(one).data[0, :, 0, 0].tolist() == [1, 2, 0]
    assert read_dicom(two).data[0, :, 0, 0].tolist() == [4, 3, 5]


def test_each_frame_has_its_own_rescale(tmp_path) -> None:
    pixels = np.ones((3, 6, 5), np.uint16)
    groups = [{"PixelValueTransformationSequence": {"RescaleSlope": s, "RescaleIntercept": -s}} for s in (1, 2, 3)]
    write(tmp_path / "a.dcm", enhanced([5.0, 0.0, 2.5], pixels, groups))
    stored = read_dicom(list_dicom(tmp_path).images[0])
    assert stored.scale == ((2, 3, 1),) and stored.offset == ((-2, -3, -1),) and stored.unit == "HU"


@pytest.mark.parametrize("step", [3.0, -3.0])
def test_a_reconstruction_of_nuclear_medicine_is_a_volume(tmp_path, step) -> None:
    dataset = with_pixels(header(NM, "NM"), np.stack([np.full((6, 5), k, np.uint16) for k in range(4)]), frames=True)
    dataset.ImageType, dataset.PixelSpacing, dataset.SpacingBetweenSlices = ["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"], [4, 4], step
    detector = Dataset()
    detector.ImagePositionPatient, detector.ImageOrientationPatient = [0, 0, 100], [1, 0, 0, 0, 1, 0]
    dataset.DetectorInformationSequence = [detector]
    write(tmp_path / "spect", dataset)
    stored = read_dicom(list_dicom(tmp_path).images[0])
    assert stored.data[0, :, 0, 0].tolist() == ([0, 1, 2, 3] if step > 0 else [3, 2, 1, 0])
    assert stored.affine[2, 3] == (100 if step > 0 else 91)


def test_ct_that_says_not_where_it_lies_is_a_fault_of_the_series(tmp_path) -> None:
    for number in range(3):
        dataset = slice_at((0, 0, number))
        del dataset.ImagePositionPatient
        write(tmp_path / f"{number}", dataset)
    listing = list_dicom(tmp_path)
    assert not listing.images and len(listing.untrusted) == 1
    assert "3 slices of its series do not say where they lie" in listing.untrusted[0].sentence


def test_a_mosaic_is_a_fault(tmp_path) -> None:
    write(tmp_path / "a", slice_at((0, 0, 0), storage=MR, modality="MR", ImageType=["ORIGINAL", "PRIMARY", "M", "MOSAIC"]))
    assert "mosaic" in list_dicom(tmp_path).untrusted[0].sentence


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "localiser"),
        ({"storage": MR, "modality": "MR", "SeriesDescription": "t1_localizer_3plane"}, "localiser"),
        ({"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}, "screenshot"),
        ({"storage": "1.2.840.10008.5.1.4.1.1.481.2", "modality": "RTDOSE"}, "dose"),
        ({"storage": "1.2.840.10008.5.1.4.1.1.66.4", "modality": "SEG"}, "segmentation"),
        ({"storage": "1.2.840.10008.5.1.4.1.1.77.1.6", "modality": "SM"}, "whole slide"),
    ],
)
def test_pixels_that_are_no_image_have_a_reason(tmp_path, given, reason) -> None:
    write(tmp_path / "a", slice_at((0, 0, 0), **given))
    listing = list_dicom(tmp_path)
    assert not listing.images and not listing.untrusted
    assert reason in said(listing)[0]


@pytest.mark.parametrize(
    ("storage", "modality", "reason"),
    [
        ("1.2.840.10008.5.1.4.1.1.88.11", "SR", "report"),
        ("1.2.840.10008.5.1.4.1.1.88.67", "SR", "dose"),
        ("1.2.840.10008.5.1.4.1.1.88.59", "KO", "key images"),
        ("1.2.840.10008.5.1.4.1.1.11.1", "PR", "presentation state"),
        ("1.2.840.10008.5.1.4.1.1.481.3", "RTSTRUCT", "contours"),
        ("1.2.840.10008.5.1.4.1.1.481.5", "RTPLAN", "plan"),
        ("1.2.840.10008.5.1.4.1.1.66.1", "REG", "registration"),
        ("1.2.840.10008.5.1.4.1.1.104.1", "DOC", "document"),
        ("1.2.840.10008.5.1.4.1.1.9.1.1", "ECG", "waveform"),
        ("1.2.840.10008.5.1.4.1.1.4.2", "MR", "spectrum"),
        ("1.3.12.2.1107.5.9.1", "OT", "no image"),
    ],
)
def test_files_without_pixels_have_a_reason(tmp_path, storage, modality, reason) -> None:
    write(tmp_path / "a", header(storage, modality))
    listing = list_dicom(tmp_path)
    assert not listing.images and not listing.untrusted
    assert reason in said(listing)[0]


def test_films_kept_as_secondary_captures_are_films(tmp_path) -> None:
    write(tmp_path / "a.dcm", with_pixels(header(CAPTURE, "CR"), np.arange(30, dtype=np.uint8).reshape(6, 5)))
    assert [image.kind for image in list_dicom(tmp_path).images] == ["picture"]


def test_an_anonymiser_that_emptied_the_series_leaves_folders(tmp_path) -> None:
    for folder in ("a", "b"):
        write_stack(tmp_path / folder, HEIGHTS, series="", pixels=np.full((6, 5), ord(folder), np.int16))
    assert [len(image.files) for image in list_dicom(tmp_path).images] == [4, 4]


def test_a_segmentation_is_the_mask_of_its_series(tmp_path) -> None:
    write_stack(tmp_path, HEIGHTS, series="1.2.3.9")
    of = Dataset()
    of.SeriesInstanceUID = "1.2.3.9"
    mask = with_pixels(
        header("1.2.840.10008.5.1.4.1.1.66.4", "SEG", series="1.9", ReferencedSeriesSequence=[of]), np.zeros((6, 5), np.uint8)
    )
    path = write(tmp_path / "seg.dcm", mask)
    assert list_dicom(tmp_path).images[0].mask == path


def test_a_gap_where_rotations_change_is_a_gap(tmp_path) -> None:
    for number, z in enumerate((0.0, 2.5, 5.0, 10.0, 12.5, 15.0)):
        write(tmp_path / f"{number}", slice_at((0, 0, z), AcquisitionNumber=1 + (number > 2), AcquisitionTime=f"10000{int(number > 2)}"))
    listing = list_dicom(tmp_path)
    assert not listing.images and "missing between 5 and 10 mm" in listing.untrusted[0].sentence


@pytest.mark.parametrize("heights", [(0.0, 2.5, 5.0, 105.0, 107.5, 110.0), (0.0, 2.5, 5.0, 10.0, 15.0, 20.0)])
def test_two_slabs_of_two_acquisitions_are_two_volumes(tmp_path, heights) -> None:
    for number, z in enumerate(heights):
        write(tmp_path / f"{number}", slice_at((0, 0, z), AcquisitionNumber=1 + (number > 2)))
    assert [len(image.files) for image in list_dicom(tmp_path).images] == [3, 3]


def test_positions_that_an_anonymiser_set_to_nought_are_a_fault(tmp_path) -> None:
    for number in range(4):
        write(
            tmp_path / f"{number}",
            slice_at((0, 0, 0), np.full((6, 5), number, np.int16), SliceLocation=2 * number, AcquisitionTime=f"10000{number}"),
        )
    listing = list_dicom(tmp_path)
    assert not listing.images and "SliceLocation says otherwise" in listing.untrusted[0].sentence


def test_one_uid_for_two_series_is_parted_by_what_describes_them(tmp_path) -> None:
    for name in ("T1", "T2"):
        given = {"storage": MR, "modality": "MR", "SeriesDescription": name, "pixels": np.full((6, 5), ord(name[1]), np.int16)}
        write_stack(tmp_path, HEIGHTS, names=f"{name}-{{}}", **given)
    assert [len(image.files) for image in list_dicom(tmp_path).images] == [4, 4]


def test_one_slice_in_each_plane_is_a_localiser(tmp_path) -> None:
    for number, orientation in enumerate(((1, 0, 0, 0, 1, 0), (1, 0, 0, 0, 0, -1), (0, 1, 0, 0, 0, -1))):
        write(tmp_path / f"{number}", slice_at((0, 0, number), storage=MR, modality="MR", orientation=orientation))
    listing = list_dicom(tmp_path)
    assert not listing.images and "localiser" in said(listing)[0]


def test_turned_projections_are_pictures(tmp_path) -> None:
    for number in range(6):
        turn = np.radians(30 * number)
        write(
            tmp_path / f"{number}",
            slice_at((number, 0, 0), storage=MR, modality="MR", orientation=(np.cos(turn), np.sin(turn), 0, 0, 0, -1)),
        )
    assert [image.kind for image in list_dicom(tmp_path).images] == ["picture"] * 6


def test_photographs_kept_as_captures_are_pictures_and_screenshots_of_a_study_are_not(tmp_path) -> None:
    photograph = with_pixels(header(CAPTURE, "OT", "1.5", StudyInstanceUID="1.77"), np.arange(90, dtype=np.uint8).reshape(6, 5, 3))
    write(tmp_path / "skin.dcm", photograph)
    write_stack(tmp_path / "ct", HEIGHTS)
    write(tmp_path / "ct" / "shown.dcm", with_pixels(header(CAPTURE, "OT", "1.6"), np.arange(90, dtype=np.uint8).reshape(6, 5, 3)))
    listing = list_dicom(tmp_path)
    assert sorted(image.path.name for image in listing.images) == ["IM0001.dcm", "skin.dcm"]
    assert said(listing) == ["a screenshot (secondary capture)"]


def test_a_series_without_pixels_is_one_fault(tmp_path) -> None:
    for number in range(5):
        write(tmp_path / f"{number}.dcm", header())
    (fault,) = list_dicom(tmp_path).untrusted
    assert "0.dcm: ends before its pixels begin (and 4 more of its series)" in fault.sentence and len(fault.files) == 5


def test_a_series_is_highdicoms_volume(tmp_path) -> None:
    """Turned by some angle, in files without order: the same numbers at the same places."""
    turn = Rotation.from_euler("xyz", (20, -35, 50), degrees=True).as_matrix()
    random = np.random.default_rng(0)
    for k in random.permutation(7):
        pixels = random.integers(0, 4000, (6, 5)).astype(np.uint16)
        place = np.array([10, -40, 7]) + 3.3 * k * turn[:, 2]
        given = {"FrameOfReferenceUID": "1.2.9", "orientation": (*turn[:, 0], *turn[:, 1]), "RescaleSlope": 2}
        write(tmp_path / f"{random.integers(1 << 30)}", slice_at(np.round(place, 6), pixels, **given))
    (image,) = list_dicom(tmp_path).images
    stored = read_dicom(image)
    witness = get_volume_from_series([dcmread(path) for path in image.files], dtype=np.float64, atol=1e-3)
    ours, theirs = np.diag([-1, -1, 1, 1]) @ stored.affine, witness.affine
    index = np.array([(2, 3, 4, 1), (6, 0, 1, 1), (0, 5, 0, 1)]).T
    there = np.round(np.linalg.solve(theirs, ours @ index)).astype(int)[:3]
    np.testing.assert_allclose(theirs @ np.vstack([there, np.ones(3)]), ours @ index, atol=1e-3)
    physical = stored.data[0] * stored.scale[0] + stored.offset[0]
    np.testing.assert_array_equal(physical[tuple(index[:3])], witness.array[tuple(there)])


def test_what_tables_may_call_a_broken_series_or_a_report_is_known(tmp_path) -> None:
    write_stack(tmp_path, (0.0, 2.5, 7.5, 10.0), AccessionNumber="A7")
    write(tmp_path / "report.dcm", header("1.2.840.10008.5.1.4.1.1.88.11", "SR", "1.2.4", PatientID="P2"))
    listing = list_dicom(tmp_path)
    assert {"P1", "1.2.3", "A7"} < listing.untrusted[0].names and {"P2", "1.2.4"} < listing.no_images[0].names
    names = Medical().contents(tmp_path).names
    assert names["A7"] == names["P2"] == ()
