"""NumPy files: rows of an array with the labels and splits beside them, single images, and what is never unpickled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelfree_medical.files import arrays, list_files, read_file
from labelfree_medical.stored import ImageFiles

from labelfree.errors import DataError


def numbers(*shape: int, dtype: str = "uint8") -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(0, 200, shape).astype(dtype)


def splits() -> dict[str, np.ndarray]:
    """Arrays as MedMNIST publishes them."""
    counts = {"train": 10, "val": 4, "test": 6}
    images = {f"{split}_images": numbers(count, 28, 28) for split, count in counts.items()}
    labels = {f"{split}_labels": (np.arange(count) % 2)[:, None] for split, count in counts.items()}
    return {**images, **labels}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_keys_tell_images_labels_and_splits(tmp_path: Path, save: object) -> None:
    held = splits()
    save(tmp_path / "tiny.npz", **held)  # type: ignore[operator]
    found = list_files(tmp_path)
    seen = [(image.key, image.split, image.label, image.kind) for image in found.images]
    names = {"train": ("train", 10), "val": ("dev", 4), "test": ("test", 6)}
    assert seen == [
        (f"{name}_images[{row}]", split, str(row % 2), "picture") for name, (split, count) in names.items() for row in range(count)
    ]
    for image in found.images:
        stored = read_file(image)
        array, _, row = image.key.partition("[")
        assert np.array_equal(stored.data[0], held[array][int(row[:-1])]) and stored.channels == ("gray",)
    assert found.notes == ("tiny.npz: each row of its arrays is an image.",)


def test_a_key_is_enough_to_read_a_row(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **splits())
    path = tmp_path / "a.npz"
    image = ImageFiles(path, (path,), "picture", key="val_images[3]")
    assert np.array_equal(read_file(image).data[0], splits()["val_images"][3])
    for key, told in (("val_images[4]", "4 rows, none val_images"), ("other[0]", "no array other")):
        with pytest.raises(DataError, match=told):
            read_file(ImageFiles(path, (path,), "picture", key=key))
    with pytest.raises(DataError, match=r"holds many images; name one, as in a\.npz#train_images\[0\]"):
        read_file(ImageFiles(path, (path,), "picture"))


def test_a_file_that_changed_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    for value in (1, 2):
        np.savez(path, images=np.full((3, 8, 8 * value), value, dtype="uint8"))
        assert read_file(list_files(path).images[0]).data.max() == value


def test_a_large_array_is_unpacked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELFREE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(arrays, "LARGE", 100)
    np.savez_compressed(tmp_path / "a.npz", images=numbers(5, 28, 28))
    rows = [read_file(image).data[0] for image in list_files(tmp_path / "a.npz").images]
    assert np.array_equal(rows, numbers(5, 28, 28)) and len(list((tmp_path / "cache" / "arrays").iterdir())) == 1


@pytest.mark.parametrize(
    ("shape", "kind", "stored"),
    [
        ((5, 28, 28, 3), "picture", (3, 28, 28)),
        ((5, 3, 28, 28), "picture", (3, 28, 28)),
        ((5, 28, 28, 1), "picture", (1, 28, 28)),
        ((5, 28, 28, 4), "picture", (3, 28, 28)),
        ((5, 28, 28, 28), "volume", (1, 28, 28, 28)),
        ((5, 12, 28, 28, 2), "volume", (2, 12, 28, 28)),
    ],
)
def test_rows_are_pictures_or_volumes(tmp_path: Path, shape: tuple[int, ...], kind: str, stored: tuple[int, ...]) -> None:
    np.savez(tmp_path / "a.npz", images=numbers(*shape), labels=np.arange(5))
    images = list_files(tmp_path).images
    assert len(images) == 5 and images[0].kind == kind and images[4].label == "4"
    assert read_file(images[0]).data.shape == stored


def test_several_columns_name_several_classes(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=numbers(3, 28, 28), labels=np.array([[0, 1, 1], [0, 0, 0], [1, 0, 0]]))
    assert [image.label for image in list_files(tmp_path).images] == ["1|2", "", "0"]


@pytest.mark.parametrize("names", [("image", "label"), ("img", "mask"), ("data", "seg")])
def test_an_image_with_its_mask_is_one_image(tmp_path: Path, names: tuple[str, str]) -> None:
    np.savez(tmp_path / "a.npz", **{names[0]: numbers(20, 30, 30), names[1]: numbers(20, 30, 30)})
    found = list_files(tmp_path)
    (image,) = found.images
    assert (image.kind, image.key, image.label) == ("volume", "", "") and np.array_equal(read_file(image).data[0], numbers(20, 30, 30))
    assert found.notes[0] == f"a.npz: {names[1]} in it is not read."


def test_an_array_alone_is_the_image_whatever_its_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", whatever=numbers(9, 9))
    np.save(tmp_path / "b.npy", numbers(20, 21, 22))
    np.save(tmp_path / "images.npy", numbers(6, 21, 22))
    found = list_files(tmp_path)
    shapes = [(image.path.name, image.key, read_file(image).data.shape) for image in found.images]
    assert shapes[:2] == [("a.npz", "", (1, 9, 9)), ("b.npy", "", (1, 20, 21, 22))]
    assert shapes[2:] == [("images.npy", f"images[{row}]", (1, 21, 22)) for row in range(6)]
    assert any(note.startswith("b.npy: its three axes") for note in found.notes)


@pytest.mark.parametrize(("images", "labels"), [("X_train", "y_train"), ("images", "labels"), ("test_images", "test_labels")])
def test_labels_may_lie_in_a_file_beside(tmp_path: Path, images: str, labels: str) -> None:
    np.save(tmp_path / f"{images}.npy", numbers(4, 20, 21))
    np.save(tmp_path / f"{labels}.npy", np.array([1.0, np.nan, 0.0, 2.5]))
    found = list_files(tmp_path)
    assert [image.label for image in found.images] == ["1", "", "0", "2.5"] and len({image.split for image in found.images}) == 1
    assert [(none.files[0].stem, none.reason) for none in found.no_images] == [(labels, "labels of images, as its name says")]


@pytest.mark.parametrize("dtype", ["S10", "U10"])
def test_labels_may_be_names(tmp_path: Path, dtype: str) -> None:
    np.savez(tmp_path / "a.npz", images=numbers(2, 20, 21), labels=np.array(["healthy", "ill"], dtype=dtype))
    assert [image.label for image in list_files(tmp_path).images] == ["healthy", "ill"]


def test_arrays_that_do_not_tell_are_asked_for(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", first=numbers(9, 9), second=numbers(9, 9))
    (fault,) = list_files(tmp_path).untrusted
    assert "a.npz: holds first, second" in fault.sentence


class Told:
    """An object that would tell of being unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (open, ("unpickled", "w"))


@pytest.mark.parametrize("ending", ["npy", "npz"])
def test_objects_are_never_unpickled(tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / f"images.{ending}"
    objects = np.array([Told()], dtype=object)
    if ending == "npy":
        np.save(path, objects, allow_pickle=True)
    else:
        np.savez(path, images=objects, allow_pickle=True)
    (fault,) = list_files(path).untrusted
    assert "never unpickled" in fault.sentence
    for key in ("images", "images[0]"):
        with pytest.raises(DataError, match=path.name):
            read_file(ImageFiles(path, (path,), "picture", key=key))
    assert not (tmp_path / "unpickled").exists()


@pytest.mark.parametrize("ending", ["npy", "npz"])
@given(share=st.floats(0, 0.98))
def test_what_is_cut_short_is_named(tmp_path_factory: pytest.TempPathFactory, ending: str, share: float) -> None:
    path = tmp_path_factory.mktemp("cut") / f"images.{ending}"
    if ending == "npy":
        np.save(path, numbers(4, 30, 30))
    else:
        np.savez(path, images=numbers(4, 30, 30))
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    found = list_files(path)
    if not found.untrusted:  # a .npy whose header is whole
        with pytest.raises(DataError, match=path.name):
            read_file(found.images[0])
    else:
        assert path.name in found.untrusted[0].sentence


def test_what_is_no_number_was_not_measured(tmp_path: Path) -> None:
    data = numbers(9, 9, dtype="float32")
    data[2:4] = np.nan
    np.save(tmp_path / "a.npy", data)
    stored = read_file(list_files(tmp_path).images[0])
    assert np.array_equal(stored.measured, np.isfinite(data)) and stored.data[0, 2:4].max() == 0
