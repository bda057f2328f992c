"""Slices of volumes as rows: how they are named, which they are, and that a volume is made once for all of its slices."""

from __future__ import annotations

import pickle
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from labelfree_medical import Medical
from labelfree_medical.dicom import list_dicom, read_dicom
from labelfree_medical.files import list_files
from labelfree_medical.kept_volumes import Prepared, image_bytes
from labelfree_medical.masks.grids import Grid
from labelfree_medical.orientation import upright_volume
from labelfree_medical.slices import Slice, slices_across
from labelfree_medical.stored import ImageFiles, Stored

from labelfree.data.kept import Kept
from tests.medical.dicom_writing import AXIAL, CORONAL, slice_at, write

SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)


def volume(*size: int) -> Stored:
    return Stored(np.zeros((1, *size), np.int16), ("ct",), (1.0,), (0.0,), "HU", affine=np.eye(4))


@pytest.mark.parametrize("chosen", [Slice("axial", 0, 1), Slice("coronal", 11, 12), Slice("sagittal", 99, 1000)])
def test_a_key_names_its_slice(chosen):
    assert Slice.of(str(chosen)) == chosen


@pytest.mark.parametrize(("count", "depth"), [(1, 1), (4, 4), (4, 9), (16, 100), (3, 1)])
def test_slices_lie_at_equal_distances_and_within(count, depth):
    places = [Slice("axial", number, count).at(depth) for number in range(count)]
    assert min(places) >= 0 and max(places) < depth
    if count <= depth:
        assert len(set(places)) == count and max(np.diff(places), default=0) - min(np.diff(places), default=0) <= 1


def test_as_many_slices_as_a_volume_has_at_most():
    alone = ImageFiles(Path("a.npy"), (Path("a.npy"),), "volume")
    assert len(slices_across(alone, "axial", 16, lambda image: volume(4, 5, 6))) == 6
    assert len(slices_across(alone, "sagittal", 3, lambda image: volume(4, 5, 6))) == 3
    assert len(slices_across(alone, "coronal", "all", lambda image: volume(4, 5, 6))) == 5


@pytest.mark.parametrize("orientation", [AXIAL, CORONAL, SAGITTAL])
def test_a_series_is_not_read_to_know_its_depth(tmp_path, orientation):
    normal = np.cross(orientation[:3], orientation[3:])
    for number in range(3):
        write(tmp_path / f"{number}.dcm", slice_at(2.0 * number * normal, np.zeros((6, 5), np.int16), orientation))
    (series,) = list_dicom(tmp_path).images
    planes = ("sagittal", "coronal", "axial")
    counts = [len(slices_across(series, plane, "all", lambda image: pytest.fail("it was read"))) for plane in planes]
    assert tuple(counts) == upright_volume(read_dicom(series))[0].data.shape[1:]


@pytest.mark.parametrize("orientation", ["ras", "stored"])
def test_each_slice_of_a_series_is_one_of_its_files_however_its_volume_is_kept(tmp_path, own_cache, orientation):
    for number in range(4):
        write(tmp_path / f"{number}.dcm", slice_at((0, 0, 2.0 * number)))
    domain = Medical(slices="axial", slices_per_volume="all", orientation=orientation)
    rows = domain.contents(tmp_path).rows
    for number, row in enumerate(rows):
        read = domain.read(row).data[0].numpy()
        assert np.array_equal(read, np.arange(30).reshape(6, 5) + 20 * number)
    assert len(rows) == 4


def test_a_nifti_header_tells_the_depth_along_a_plane(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    turned = np.array([[0, 0, 2.0, 0], [1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]])  # axes to the front, down, right
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 5, 6), np.int16), turned), tmp_path / "a.nii.gz")
    alone = ImageFiles(tmp_path / "a.nii.gz", (tmp_path / "a.nii.gz",), "volume")
    counts = [
        len(slices_across(alone, plane, "all", lambda image: pytest.fail("it was read"))) for plane in ("sagittal", "coronal", "axial")
    ]
    assert counts == [6, 4, 5]


def test_a_header_and_its_voxels_are_not_two_slices(tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((6, 5, 4), np.int16)), str(tmp_path / "a.mhd"))
    (alone,) = list_files(tmp_path).images
    assert len(alone.files) == 2 and len(slices_across(alone, "axial", "all", lambda image: pytest.fail("it was read"))) == 6


def test_a_volume_is_made_once_for_all_who_wait():
    kept, made = Kept(image_bytes), list[int]()

    def make() -> Prepared:
        made.append(1)
        return Prepared(volume(2, 2, 2), Grid((2, 2, 2)))

    threads = [Thread(target=lambda: kept.get("a", make)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1]


def test_the_oldest_volumes_go_first_and_one_always_stays():
    kept = Kept(image_bytes, most=2 * 8 * 2)  # two volumes of 8 voxels
    made = list[str]()
    for name in ("a", "b", "a", "c", "a", "b"):
        kept.get(name, lambda name=name: made.append(name) or Prepared(volume(2, 2, 2), Grid((2, 2, 2))))  # type: ignore[misc,func-returns-value]
    assert made == ["a", "b", "c", "b"]
    large = Kept(image_bytes, most=1)
    assert large.get("a", lambda: Prepared(volume(9, 9, 9), Grid((9, 9, 9)))) is large.get("a", lambda: pytest.fail("it was made again"))


def test_another_process_keeps_its_own():
    kept = Kept(image_bytes, 7)
    kept.get("a", lambda: Prepared(volume(1, 1, 1), Grid((1, 1, 1))))
    assert pickle.loads(pickle.dumps(kept)).most == 7
