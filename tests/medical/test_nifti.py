"""NIfTI as several programs write it: nibabel's own reading as the witness of values and places."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labelfree_medical.files import list_files, read_file
from labelfree_medical.files.voxels import position

from labelfree.errors import DataError

AFFINE = np.array([[0.8, 0.1, 0, -10], [-0.1, 0.8, 0, -20], [0, 0, 2.5, 30], [0, 0, 0, 1]])
SHAPE = (6, 7, 5)


def numbers(shape: tuple[int, ...] = SHAPE, dtype: str = "int16") -> np.ndarray:
    return np.random.default_rng(0).integers(0, 200, shape).astype(dtype)


def written(path: Path, data: np.ndarray, affine: np.ndarray | None = AFFINE, kind: Any = nibabel.Nifti1Image, **header: Any) -> Path:
    image = kind(data, affine)
    for key, value in header.items():
        image.header[key] = value
    nibabel.save(image, path)
    return path


def patched(path: Path, offset: int, kind: str, *values: float) -> Path:
    """The same file with other numbers in its header, which nibabel would set right while writing."""
    content = bytearray(gzip.decompress(path.read_bytes()) if path.name.endswith(".gz") else path.read_bytes())
    new = np.array(values, dtype=kind).tobytes()
    content[offset : offset + len(new)] = new
    path.write_bytes(gzip.compress(bytes(content)) if path.name.endswith(".gz") else bytes(content))
    return path


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64", ">i2", ">f4"])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_values_and_places_are_nibabels(tmp_path: Path, dtype: str, kind: Any, ending: str) -> None:
    path = written(tmp_path / f"a{ending}", numbers(dtype=dtype), kind=kind)
    image, witness = list_files(tmp_path).images[0], nibabel.load(path)
    stored = read_file(image)
    assert np.array_equal(stored.data[0], np.asarray(witness.dataobj))
    assert stored.data.dtype == np.dtype(dtype).newbyteorder("=")
    assert np.allclose(stored.affine, witness.affine, atol=1e-5)
    assert np.allclose(stored.spacing, witness.header.get_zooms(), atol=1e-5)
    assert image.kind == "volume" and stored.measured is None and stored.channels == ("gray",)


@pytest.mark.parametrize(
    ("slope", "inter", "scale", "offset"), [(0, 7, 1, 0), (np.nan, np.nan, 1, 0), (0.5, -100, 0.5, -100), (2, np.nan, 2, 0)]
)
def test_slope_of_nothing_scales_nothing(tmp_path: Path, slope: float, inter: float, scale: float, offset: float) -> None:
    path = patched(written(tmp_path / "a.nii", numbers()), 112, "<f4", slope, inter)
    stored = read_file(list_files(path).images[0])
    assert (stored.scale, stored.offset) == ((scale,), (offset,))


@pytest.mark.parametrize(("name", "packed"), [("a.nii", True), ("a.nii.gz", False)])
def test_content_tells_whether_it_is_packed(tmp_path: Path, name: str, packed: bool) -> None:
    content = written(tmp_path / "b.nii", numbers()).read_bytes()
    (tmp_path / name).write_bytes(gzip.compress(content) if packed else content)
    assert np.array_equal(read_file(list_files(tmp_path / name).images[0]).data[0], numbers())


@pytest.mark.parametrize("name", ["a.hdr", "b.hdr"])
def test_a_pair_is_one_image(tmp_path: Path, name: str) -> None:
    kind = {"a.hdr": nibabel.Nifti1Pair, "b.hdr": nibabel.AnalyzeImage}[name]
    nibabel.save(kind(numbers(), np.diag([-0.8, 0.8, 2.5, 1]) if kind is nibabel.AnalyzeImage else AFFINE), tmp_path / name)
    (image,) = list_files(tmp_path).images
    stored = read_file(image)
    assert [file.name for file in image.files] == [name, name.replace("hdr", "img")]
    assert np.array_equal(stored.data[0], numbers())
    assert (stored.affine is None) == (kind is nibabel.AnalyzeImage)  # Analyze tells no side


def test_the_sform_counts_and_a_disagreement_is_told(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(numbers(), AFFINE)
    image.set_sform(AFFINE, 2)
    image.set_qform(np.diag([-1.0, 1, 1, 1]) @ AFFINE, 1)
    nibabel.save(image, tmp_path / "two.nii.gz")
    written(tmp_path / "one.nii.gz", numbers())
    found = list_files(tmp_path)
    (note,) = found.notes
    assert note.startswith("two.nii.gz: sform and qform")
    stored = read_file(next(image for image in found.images if image.path.name == "two.nii.gz"))
    assert np.allclose(stored.affine, AFFINE, atol=1e-5)


def test_the_qform_counts_where_there_is_no_sform(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(numbers(), AFFINE)
    image.set_qform(AFFINE, 1)
    image.set_sform(np.diag([9.0, 9, 9, 1]), 0)
    nibabel.save(image, tmp_path / "a.nii")
    assert np.allclose(read_file(list_files(tmp_path).images[0]).affine, AFFINE, atol=1e-4)


def test_without_either_a_side_is_not_made_up(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(numbers(), np.diag([0.8, 0.8, 2.5, 1]))
    image.set_qform(None, 0)
    image.set_sform(None, 0)
    nibabel.save(image, tmp_path / "a.nii")
    found = list_files(tmp_path)
    stored = read_file(found.images[0])
    assert stored.affine is None and np.allclose(stored.spacing, (0.8, 0.8, 2.5)) and "a.nii: No file says" in found.notes[0]


def test_metres_and_microns_become_millimetres(tmp_path: Path) -> None:
    path = patched(written(tmp_path / "a.nii", numbers()), 123, "u1", 3)  # micron
    stored = read_file(list_files(path).images[0])
    assert np.allclose(stored.affine[:3], AFFINE[:3] / 1000, atol=1e-8) and np.allclose(stored.spacing[2], 0.0025)


@pytest.mark.parametrize(
    "rows", [[(0, 0, 0, 5)], [(np.nan, 0, 0, 1)], [(1, 0, 0, 0), (2, 0, 0, 0)], [(1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 0, 0)]]
)
def test_an_affine_that_places_nothing_is_named(tmp_path: Path, rows: list[tuple[float, ...]]) -> None:
    written(tmp_path / "fine.nii", numbers())
    patched(written(tmp_path / "lost.nii.gz", numbers()), 280, "<f4", *(number for row in rows for number in row))
    found = list_files(tmp_path)
    (fault,) = found.untrusted
    assert "lost.nii.gz" in fault.sentence and "affine" in fault.sentence and [image.path.name for image in found.images] == ["fine.nii"]


def test_a_quaternion_that_is_none_is_named(tmp_path: Path) -> None:
    path = patched(written(tmp_path / "a.nii", numbers(), sform_code=0, qform_code=1), 256, "<f4", 0.9, 0.9, 0.9)
    assert "qform" in list_files(path).untrusted[0].sentence


@pytest.mark.parametrize("kept", [0, 100, 347, 360])
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_what_is_cut_short_is_named(tmp_path: Path, kept: int, ending: str) -> None:
    path = written(tmp_path / f"a{ending}", numbers())
    whole = path.read_bytes()
    path.write_bytes(whole[:kept] if ending == ".nii" else whole[: kept * len(whole) // 400])
    found = list_files(path)
    if found.untrusted:
        assert path.name in found.untrusted[0].sentence
    else:  # the header is whole: only unpacking tells
        with pytest.raises(DataError, match=path.name):
            read_file(found.images[0])


def test_pixels_beyond_the_end_are_named(tmp_path: Path) -> None:
    content = written(tmp_path / "a.nii", numbers()).read_bytes()
    (tmp_path / "a.nii").write_bytes(content[:-70])
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(content[:-70]))
    found = list_files(tmp_path)
    assert "ends before its pixels do" in found.untrusted[0].sentence
    with pytest.raises(DataError, match=r"b\.nii\.gz: ends before its pixels do"):
        read_file(found.images[0])


def test_what_is_no_number_was_not_measured(tmp_path: Path) -> None:
    data = numbers(dtype="float32")
    data[0, :2], data[1, 0, 0] = np.nan, np.inf
    path = written(tmp_path / "a.nii", data)
    stored = read_file(list_files(path).images[0])
    assert np.array_equal(stored.measured, np.isfinite(data)) and np.isfinite(stored.data).all()
    assert np.array_equal(stored.data[0][stored.measured], data[np.isfinite(data)])
    empty = written(tmp_path / "b.nii", np.full(SHAPE, np.nan, dtype="float32"))
    with pytest.raises(DataError, match=r"b\.nii: holds no number"):
        read_file(list_files(empty).images[0])


def test_a_fourth_axis_is_channels_unless_the_file_says_time(tmp_path: Path) -> None:
    data = numbers((*SHAPE, 4))
    path = written(tmp_path / "a.nii.gz", data)
    (image,) = list_files(path).images
    stored = read_file(image)
    assert stored.data.shape == (4, *SHAPE) and np.array_equal(stored.data[2], data[..., 2])
    assert stored.channels == ("channel_1", "channel_2", "channel_3", "channel_4")

    timed = nibabel.Nifti1Image(data, AFFINE)
    timed.header.set_xyzt_units("mm", "sec")
    timed.header["pixdim"][4] = 2
    nibabel.save(timed, tmp_path / "bold.nii.gz")
    found = list_files(tmp_path / "bold.nii.gz")
    assert [image.key for image in found.images] == [f"time[{number}]" for number in range(4)]
    assert len({image.study for image in found.images}) == 1 and "time" in found.notes[0]
    assert all(np.array_equal(read_file(image).data, data[None, ..., number]) for number, image in enumerate(found.images))
    with pytest.raises(DataError, match=r"holds 4 images in time; name one, as in bold\.nii\.gz#time\[0\]"):
        read_file(replace(found.images[0], key=""))
    with pytest.raises(DataError, match="has 4 volumes, none time"):
        read_file(replace(found.images[0], key="time[4]"))


def test_a_folder_that_names_channels_overrules_the_time_of_a_file(tmp_path: Path) -> None:
    data = numbers((*SHAPE, 2))
    timed = nibabel.Nifti1Image(data, AFFINE)
    timed.header.set_xyzt_units("mm", "sec")  # as ITK writes every file
    timed.header["pixdim"][4] = 1
    nibabel.save(timed, tmp_path / "a.nii.gz")
    image = replace(list_files(tmp_path).images[0], key="", channels=("T1", "T2"))
    assert read_file(image).channels == ("T1", "T2")
    with pytest.raises(DataError, match="2 channels, and T1 are named"):
        read_file(replace(image, channels=("T1",)))


def test_weightings_beside_a_file_make_it_a_series(tmp_path: Path) -> None:
    written(tmp_path / "dwi.nii.gz", numbers((*SHAPE, 3)))
    (tmp_path / "dwi.bval").write_text("0 1000 1000\n")
    assert [image.key for image in list_files(tmp_path).images] == ["time[0]", "time[1]", "time[2]"]


def test_files_of_a_channel_each_are_one_image(tmp_path: Path) -> None:
    paths = tuple(written(tmp_path / f"case_000{number}.nii.gz", numbers() + number) for number in range(2))
    image = replace(list_files(paths[0]).images[0], files=paths, channels=("T1", "T2"))
    stored = read_file(image)
    assert stored.channels == ("T1", "T2") and np.array_equal(stored.data, np.stack([numbers(), numbers() + 1]))
    written(paths[1], numbers(), AFFINE + np.pad(np.ones((3, 1)), ((0, 1), (3, 0))))
    with pytest.raises(DataError, match=r"case_0001\.nii\.gz: does not lie on the grid of case_0000"):
        read_file(image)


def test_trailing_axes_of_one_are_none(tmp_path: Path) -> None:
    path = patched(written(tmp_path / "a.nii", numbers()), 40, "<i2", 5, *SHAPE, 1, 1)
    stored = read_file(list_files(path).images[0])
    assert stored.data.shape == (1, *SHAPE)


def test_colours_are_channels(tmp_path: Path) -> None:
    colours = np.zeros(SHAPE, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    colours["G"] = numbers(dtype="uint8")
    stored = read_file(list_files(written(tmp_path / "a.nii", colours)).images[0])
    assert stored.channels == ("red", "green", "blue") and np.array_equal(stored.data[1], numbers(dtype="uint8"))


def test_two_axes_are_a_picture(tmp_path: Path) -> None:
    data = numbers((8, 5))
    path = patched(written(tmp_path / "a.nii", data[..., None]), 40, "<i2", 2, 8, 5, 1)
    (image,) = list_files(path).images
    stored = read_file(image)
    assert image.kind == "picture" and np.array_equal(stored.data[0], data.T) and stored.affine is None


def test_what_is_no_image_has_a_reason(tmp_path: Path) -> None:
    (tmp_path / "a.hdr").write_text("ENVI\nsamples = 3\n" * 30)
    written(tmp_path / "b.nii.gz", numbers(dtype="uint8"), intent_code=1002)
    found = list_files(tmp_path)
    assert not found.images and not found.untrusted
    assert [(none.files[0].name, "labels" in none.reason) for none in found.no_images] == [("a.hdr", False), ("b.nii.gz", True)]


def test_complex_numbers_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.nii", numbers().astype("complex64"))
    with pytest.raises(DataError, match=r"a\.nii: holds complex numbers"):
        read_file(list_files(path).images[0])


@given(st.binary(max_size=600))
def test_any_bytes_end_in_a_sentence(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("bytes") / "a.nii"
    path.write_bytes(content)
    found = list_files(path)
    assert not found.images and "a.nii" in found.untrusted[0].sentence


@settings(deadline=None, max_examples=300)
@given(st.integers(4, 347), st.binary(min_size=1, max_size=4))
def test_any_header_is_read_or_ends_in_a_sentence(tmp_path_factory: pytest.TempPathFactory, offset: int, change: bytes) -> None:
    path = tmp_path_factory.mktemp("header") / "a.nii"
    content = bytearray(written(path, numbers((3, 4, 5))).read_bytes())
    content[offset : offset + len(change)] = change
    path.write_bytes(bytes(content))
    found = list_files(path)
    for image in found.images:
        try:
            assert read_file(image).data.size
        except DataError as error:
            assert "a.nii" in str(error)
    assert len(found.images) + len(found.untrusted) + len(found.no_images) >= 1


@given(st.text(st.characters(blacklist_characters="[]\n"), min_size=1), st.integers(0, 10**6))
def test_a_key_names_an_array_and_a_row(name: str, row: int) -> None:
    assert position(f"{name}[{row}]") == (name, row)
