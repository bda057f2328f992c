"""NRRD and MetaImage in every order of axes and space that people use: SimpleITK's own placing is the witness."""

from __future__ import annotations

from itertools import permutations, product
from pathlib import Path

import nrrd
import numpy as np
import pytest
import SimpleITK
from labelfree_medical.files import list_files, read_file
from labelfree_medical.stored import Stored

from labelfree.errors import DataError

SHAPE = (4, 6, 5)
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
TURN = np.array([[np.cos(0.2), -np.sin(0.2), 0], [np.sin(0.2), np.cos(0.2), 0], [0, 0, 1]])


def numbers(shape: tuple[int, ...] = SHAPE, dtype: str = "int16") -> np.ndarray:
    return np.random.default_rng(0).integers(0, 200, shape).astype(dtype)


def by_itk(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """(x, y, z) and its affine to RAS+."""
    image = SimpleITK.ReadImage(str(path))
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return SimpleITK.GetArrayFromImage(image).T, LPS @ affine


def alone(path: Path) -> Stored:
    (image,) = list_files(path).images
    return read_file(image)


@pytest.mark.parametrize("space", ["left-posterior-superior", "right-anterior-superior", "left-anterior-superior", "LPS", "RAS"])
@pytest.mark.parametrize("order", list(permutations(range(3)))[::2])
def test_nrrd_lies_where_itk_places_it(tmp_path: Path, space: str, order: tuple[int, int, int]) -> None:
    steps = (TURN * [1.5, 0.5, 2.0]).T[list(order)]
    header = {"space": space, "space directions": steps, "space origin": [12.0, -7.0, 30.0], "kinds": ["domain"] * 3}
    nrrd.write(str(tmp_path / "a.nrrd"), numbers(), header)
    stored = alone(tmp_path / "a.nrrd")
    data, affine = by_itk(tmp_path / "a.nrrd")
    assert np.array_equal(stored.data[0], data) and np.allclose(stored.affine, affine)
    assert np.allclose(stored.spacing, np.linalg.norm(affine[:3, :3], axis=0))


@pytest.mark.parametrize("space", ["posterior-inferior-right", "superior-left-anterior"])
def test_nrrd_spaces_of_other_orders(tmp_path: Path, space: str) -> None:
    header = {"space": space, "space directions": np.diag([0.5, 2.0, 1.5]), "space origin": [1.0, 2.0, 3.0]}
    nrrd.write(str(tmp_path / "a.nrrd"), numbers(), header)
    affine = alone(tmp_path / "a.nrrd").affine
    toward = {"right": (0, 1), "left": (0, -1), "anterior": (1, 1), "posterior": (1, -1), "superior": (2, 1), "inferior": (2, -1)}
    for axis, (word, step) in enumerate(zip(space.split("-"), (0.5, 2.0, 1.5), strict=True)):
        row, sign = toward[word]
        assert affine[row, axis] == sign * step and affine[row, 3] == sign * (axis + 1)


@pytest.mark.parametrize(("axis", "kind"), list(product([0, 3], ["list", "vector"])))
def test_the_axis_outside_space_is_channels(tmp_path: Path, axis: int, kind: str) -> None:
    data = np.moveaxis(numbers((*SHAPE, 3)), -1, axis)
    steps = np.insert(np.diag([1.5, 0.5, 2.0]), axis, np.nan, axis=0)
    kinds = ["domain"] * 3
    kinds.insert(axis, kind)
    nrrd.write(str(tmp_path / "a.nrrd"), data, {"space": "LPS", "space directions": steps, "space origin": [0.0, 0, 0], "kinds": kinds})
    stored = alone(tmp_path / "a.nrrd")
    assert stored.data.shape == (3, *SHAPE) and np.array_equal(stored.data, np.moveaxis(data, axis, 0))
    assert np.allclose(stored.affine, LPS @ np.diag([1.5, 0.5, 2.0, 1]))


def test_times_and_weightings_are_images_of_their_own(tmp_path: Path) -> None:
    steps = np.vstack([np.eye(3), [np.nan] * 3])
    header = {
        "space": "LPS",
        "space directions": steps,
        "space origin": [0.0, 0, 0],
        "kinds": ["domain"] * 3 + ["list"],
        "modality": "DWMRI",
    }
    data = numbers((*SHAPE, 2))
    nrrd.write(str(tmp_path / "a.nrrd"), data, header)
    images = list_files(tmp_path).images
    assert [image.key for image in images] == ["time[0]", "time[1]"]
    assert np.array_equal(read_file(images[1]).data[0], data[..., 1])


def test_a_segmentation_is_no_image(tmp_path: Path) -> None:
    nrrd.write(str(tmp_path / "a.seg.nrrd"), numbers(dtype="uint8"), {"Segment0_ID": "liver"})
    found = list_files(tmp_path)
    assert not found.images and "segmentation" in found.no_images[0].reason


def test_nrrd_without_space_has_no_side(tmp_path: Path) -> None:
    nrrd.write(str(tmp_path / "a.nrrd"), numbers(), {"spacings": [1.0, 2.0, 3.0]})
    found = list_files(tmp_path)
    stored = read_file(found.images[0])
    assert stored.affine is None and stored.spacing == (1.0, 2.0, 3.0) and found.notes[0].startswith("a.nrrd: ")


def test_a_nrrd_of_two_axes_is_a_picture(tmp_path: Path) -> None:
    nrrd.write(str(tmp_path / "a.nrrd"), numbers((8, 5)), {"spacings": [1.0, 2.0]})
    stored = alone(tmp_path / "a.nrrd")
    assert np.array_equal(stored.data[0], numbers((8, 5)).T) and stored.spacing == (2.0, 1.0)


@pytest.mark.parametrize("encoding", ["raw", "gzip", "bzip2"])
@pytest.mark.parametrize("detached", [False, True])
def test_a_nrrd_that_is_cut_short_is_named(tmp_path: Path, encoding: str, detached: bool) -> None:
    path = tmp_path / ("a.nhdr" if detached else "a.nrrd")
    nrrd.write(str(path), numbers(), {"encoding": encoding}, detached_header=detached)
    data = next((file for file in tmp_path.iterdir() if file.suffix != ".nhdr"), path)
    data.write_bytes(data.read_bytes()[:-30])
    found = list_files(path)
    sentences = [fault.sentence for fault in found.untrusted]
    for image in found.images:
        with pytest.raises(DataError, match=r"a\.") as told:
            read_file(image)
        sentences.append(str(told.value))
    assert len(sentences) == 1 and sentences[0].count("\n") == 0


def test_a_detached_nrrd_is_one_image_of_two_files(tmp_path: Path) -> None:
    nrrd.write(str(tmp_path / "a.nhdr"), numbers(), {"encoding": "raw"}, detached_header=True)
    (image,) = list_files(tmp_path).images
    assert [file.name for file in image.files] == ["a.nhdr", "a.raw"] and np.array_equal(read_file(image).data[0], numbers())
    (tmp_path / "a.raw").unlink()
    assert "a.raw, is not there" in list_files(tmp_path).untrusted[0].sentence


def itk_image(data: np.ndarray, vector: bool = False) -> SimpleITK.Image:
    image = SimpleITK.GetImageFromArray(data, isVector=vector)
    if image.GetDimension() == 3:
        image.SetSpacing((0.8, 0.9, 3.0))
        image.SetOrigin((-5.0, 9.0, 2.0))
        image.SetDirection((TURN @ np.diag([1, -1, 1])).ravel())
    return image


@pytest.mark.parametrize(("ending", "packed"), list(product(["mha", "mhd"], [False, True])))
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_metaimage_lies_where_itk_places_it(tmp_path: Path, ending: str, packed: bool, dtype: str) -> None:
    path = tmp_path / f"a.{ending}"
    SimpleITK.WriteImage(itk_image(numbers(dtype=dtype)), str(path), packed)
    (image,) = list_files(tmp_path).images
    stored = read_file(image)
    data, affine = by_itk(path)
    assert len(image.files) == (1 if ending == "mha" else 2)
    assert np.array_equal(stored.data[0], data) and stored.data.dtype == dtype and np.allclose(stored.affine, affine)
    assert np.allclose(stored.spacing, (0.8, 0.9, 3.0))


@pytest.mark.parametrize("packed", [False, True])
def test_a_metaimage_that_is_cut_short_is_named(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / "a.mha"
    SimpleITK.WriteImage(itk_image(numbers()), str(path), packed)
    path.write_bytes(path.read_bytes()[:-20])
    assert "a.mha: ends before its pixels do" in list_files(path).untrusted[0].sentence


def test_metaimage_vectors_are_channels_and_times_are_images(tmp_path: Path) -> None:
    SimpleITK.WriteImage(itk_image(numbers((*SHAPE, 2)), vector=True), str(tmp_path / "v.mha"))
    stored = alone(tmp_path / "v.mha")
    assert np.array_equal(stored.data, numbers((*SHAPE, 2)).transpose(3, 2, 1, 0))
    SimpleITK.WriteImage(itk_image(numbers((3, *SHAPE))), str(tmp_path / "t.mha"))
    images = list_files(tmp_path / "t.mha").images
    assert [image.key for image in images] == ["time[0]", "time[1]", "time[2]"]
    assert np.array_equal(read_file(images[2]).data[0], numbers((3, *SHAPE))[2].T)


def test_a_flat_metaimage_is_a_picture(tmp_path: Path) -> None:
    image = SimpleITK.GetImageFromArray(numbers((8, 5)))
    image.SetSpacing((0.1, 0.2))
    SimpleITK.WriteImage(image, str(tmp_path / "a.mha"))
    stored = alone(tmp_path / "a.mha")
    assert np.array_equal(stored.data[0], numbers((8, 5))) and stored.spacing == (0.2, 0.1) and stored.affine is None


def test_a_metaimage_with_a_slice_a_file(tmp_path: Path) -> None:
    data = numbers()
    for number, plane in enumerate(data):
        (tmp_path / f"s{number:02}.raw").write_bytes(plane.tobytes())
    z, y, x = SHAPE
    header = f"ObjectType = Image\nNDims = 3\nDimSize = {x} {y} {z}\nElementType = MET_SHORT\nElementSpacing = 1 1 2\n"
    (tmp_path / "a.mhd").write_text(f"{header}Offset = 0 0 0\nElementDataFile = s%02d.raw 0 {z - 1} 1\n")
    (image,) = list_files(tmp_path).images
    assert len(image.files) == 1 + z and np.array_equal(read_file(image).data[0], data.T)


@pytest.mark.parametrize("lines", ["TransformMatrix = 1 0 0 1 0 0 0 0 1\nOffset = 0 0 0", "ElementSpacing = 1 0 1\nOffset = 0 0 0"])
def test_a_metaimage_that_places_nothing_is_named(tmp_path: Path, lines: str) -> None:
    header = f"ObjectType = Image\nNDims = 3\nDimSize = 2 2 2\nElementType = MET_UCHAR\n{lines}\nElementDataFile = LOCAL\n"
    (tmp_path / "a.mha").write_bytes(header.encode() + bytes(8))
    (fault,) = list_files(tmp_path).untrusted
    assert "a.mha" in fault.sentence and "place it in space" in fault.sentence
