"""Folders of files of their own: what is found, what stands for what, and that notes name files once."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK
from labelfree_medical.files import endings, frame_file, list_files, read_file
from labelfree_medical.files.pictures import ORIENTATION
from labelfree_medical.stored import ImageFiles
from PIL import Image

from labelfree.errors import DataError


def volume(path: Path, code: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nibabel.Nifti1Image(np.arange(60, dtype="int16").reshape(3, 4, 5), np.eye(4))
    image.set_sform(np.eye(4), code)
    image.set_qform(np.eye(4), code)
    nibabel.save(image, path)


def test_a_folder_is_searched_to_its_ends(tmp_path: Path) -> None:
    volume(tmp_path / "b" / "deep" / "Größe.nii.gz")
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.zeros((3, 4, 5), dtype="uint8")), str(tmp_path / "a.mhd"), True)
    Image.new("L", (8, 8)).save(tmp_path / "F.PNG")
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / ".hidden.png").write_bytes(b"")
    found = list_files(tmp_path)
    assert [image.path.relative_to(tmp_path).as_posix() for image in found.images] == ["F.PNG", "a.mhd", "b/deep/Größe.nii.gz"]
    assert not found.untrusted and not found.no_images


def test_slices_that_a_header_names_are_no_images_of_their_own(tmp_path: Path) -> None:
    for number in range(2):
        Image.new("L", (4, 3)).save(tmp_path / f"s{number}.png")
    lines = "ObjectType = Image\nNDims = 3\nDimSize = 4 3 2\nElementType = MET_UCHAR\nElementSpacing = 1 1 1\n"
    (tmp_path / "a.mhd").write_text(f"{lines}ElementDataFile = LIST\ns0.png\ns1.png\n")
    assert [image.path.name for image in list_files(tmp_path).images] == ["a.mhd"]


def test_a_note_is_told_once_for_all_its_files(tmp_path: Path) -> None:
    for number in range(5):
        volume(tmp_path / f"{number}.nii", code=0)
    (note,) = list_files(tmp_path).notes
    assert note.startswith("0.nii, 1.nii, 2.nii and 2 more: No file says")


def test_a_frame_is_what_reading_gives_without_channels(tmp_path: Path) -> None:
    volume(tmp_path / "a.nii.gz")
    image = SimpleITK.GetImageFromArray(np.zeros((3, 4, 5), dtype="uint8"))
    image.SetSpacing((1.0, 2.0, 3.0))
    for name in ("b.mha", "c.nrrd"):
        SimpleITK.WriteImage(image, str(tmp_path / name))
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    Image.new("L", (9, 8)).save(tmp_path / "d.jpg", exif=exif)
    for found in list_files(tmp_path).images:
        frame, stored = frame_file(found), read_file(found)
        assert frame is not None and frame.data.shape == (0, *stored.data.shape[1:]) and frame.spacing == stored.spacing
        assert (frame.affine is None) == (stored.affine is None) and (stored.affine is None or np.array_equal(frame.affine, stored.affine))
    np.save(tmp_path / "e.npy", np.zeros((5, 5)))
    assert frame_file(list_files(tmp_path / "e.npy").images[0]) is None


def test_what_does_not_end_like_an_image_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("no image")
    assert not list_files(path).images
    with pytest.raises(DataError, match=r"a\.txt: ends in none of \.nii"):
        read_file(ImageFiles(path, (path,), "picture"))
    missing = tmp_path / "gone.png"
    with pytest.raises(DataError, match="there is no such file"):
        read_file(ImageFiles(missing, (missing,), "picture"))


def test_a_package_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    volume(tmp_path / "a.nii")
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("nibabel"):
            raise ModuleNotFoundError(f"No module named {name!r}")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    assert 'nibabel is needed to read it; pip install "labelfree[medical]"' in list_files(tmp_path).untrusted[0].sentence


def test_every_ending_is_lower_case_and_of_one_format() -> None:
    assert len(set(endings)) == len(endings) and all(ending == ending.lower() and ending.startswith(".") for ending in endings)
