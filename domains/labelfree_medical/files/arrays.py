"""NumPy files: one image, or many along the first axis with labels and splits told by the names of arrays. Nothing is unpickled."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from pathlib import Path
from threading import Lock
from typing import IO, TYPE_CHECKING, Any

from labelfree.data.our_folders import cache_folder
from labelfree.errors import DataError
from labelfree_medical.colours import COLOURS
from labelfree_medical.files.content import broken, empty
from labelfree_medical.files.voxels import UNIT, names_of, plain, position, without_gaps
from labelfree_medical.stored import Axes, ImageFiles, Kind, Listing, NoImage, Stored

if TYPE_CHECKING:
    import numpy as np

endings = (".npz", ".npy")
SPLITS = {"train": "train", "training": "train", "val": "dev", "valid": "dev", "validation": "dev", "dev": "dev", "test": "test"}
MANY = {"images", "imgs", "volumes", "scans", "slices", "patches"}  # what a row of is an image
ONE = {"image", "img", "volume", "scan", "slice", "vol", "data", "ct", "mr", "mri", "arr", "x"}
LABELS = {"labels", "label", "y", "targets", "target", "classes"}
MASKS = {"masks", "mask", "segs", "seg", "segmentation", "segmentations", "gt", "gts"}
COLOUR_AXES = (1, 3, 4)
SEPARATOR = "|"  # between the names of several classes of an image
KEPT = 6  # arrays that stay in memory: of both kinds in three splits
LARGE = 2**30  # bytes of an array that is unpacked into the cache folder instead
BROKEN = (zipfile.BadZipFile, EOFError, OSError, RuntimeError, ValueError, zlib.error)  # what broken and encrypted archives raise
_ONE_AT_A_TIME = Lock()  # else every thread would unpack the same array


@dataclass(frozen=True)
class _Array:
    """One array of a file, as its own header tells. `objects`: it would have to be unpickled."""

    path: Path
    name: str
    shape: tuple[int, ...]
    objects: bool

    @property
    def words(self) -> set[str]:
        return {word for word in re.split(r"[^a-z]+", self.name.lower()) if word}

    @property
    def split(self) -> str:
        return next((SPLITS[word] for word in re.split(r"[^a-z]+", self.name.lower()) if word in SPLITS), "")

    @property
    def part(self) -> frozenset[str]:
        """What is left of its name without what it holds: arrays of the same part belong together."""
        return frozenset(self.words - MANY - ONE - LABELS - MASKS)


def list_arrays(path: Path) -> Listing:
    """The images of a file, an array of many as one a row, with the labels and splits that stand in it.

    Raises `DataError` naming a file that is broken, holds Python objects, or leaves open which arrays are images.
    """
    arrays = _arrays(path)
    if path.suffix.lower() == ".npy":
        if len(arrays[0].shape) <= 2 and arrays[0].words & LABELS and not arrays[0].words & (MANY | ONE):
            return Listing(no_images=(NoImage((path,), "labels of images, as its name says"),))
        arrays += _labels_beside(path)
    entries = _entries(path, arrays)
    used = {array.name for entry in entries for array in (entry.array, entry.labels) if array}
    unread = [array.name for array in arrays if array.name not in used]
    notes = [f"{', '.join(unread)} in it is not read."] if unread else []
    if any(entry.many for entry in entries):
        notes.append("each row of its arrays is an image.")
    elif any(len(entry.shape) == 3 and entry.kind == "volume" for entry in entries):
        notes.append("its three axes are taken as the slices, rows and columns of one volume; call the array images where each row is one.")
    return Listing(tuple(image for entry in entries for image in entry.images(path, len(entries) == 1)), notes=tuple(notes))


def read_array(image: ImageFiles) -> Stored:
    """One image: a whole array, or a row of it. Raises `DataError` naming the file."""
    import numpy as np

    path, name, row = image.path, image.key, None
    if name.endswith("]"):
        name, row = position(name)
    elif not name:
        entries = _entries(path, _arrays(path))
        if len(entries) > 1 or entries[0].many:
            raise DataError(f"{path}: holds many images; name one, as in {path.name}#{entries[0].array.name}[0].")
        name = entries[0].array.name
    values = _values(path, name)
    if row is not None and row >= len(values):
        raise DataError(f"{path}: {name} has {len(values):,} rows, none {image.key}; correct the path.")
    data = _channels_first(np.asarray(values if row is None else values[row]), path)
    data, measured = without_gaps(plain(data, path), path)
    channels = COLOURS if len(data) == 3 and data.ndim == 3 and not image.channels else names_of(len(data), image.channels, path)
    axes: Axes = "zyx" if data.ndim == 4 else "xyz"
    return Stored(data, channels, (1.0,) * len(data), (0.0,) * len(data), UNIT, measured=measured, axes=axes)


@dataclass(frozen=True)
class _Entry:
    """An array of images, or that is one, and the array of its labels."""

    array: _Array
    labels: _Array | None
    many: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one image."""
        return self.array.shape[1:] if self.many else self.array.shape

    @property
    def kind(self) -> Kind:
        return "picture" if len(self.shape) == 2 or (len(self.shape) == 3 and _colour_axis(self.shape) is not None) else "volume"

    def images(self, path: Path, alone: bool) -> list[ImageFiles]:
        """`alone`: no other array of the file holds images."""
        name, rows = self.array.name, self.array.shape[0] if self.many else 1
        labels = _label_names(self.labels) if self.labels else [""] * rows
        keys = [f"{name}[{row}]" for row in range(rows)] if self.many else ["" if alone else name]
        return [
            ImageFiles(path, (path,), self.kind, key=key, split=self.array.split, label=label)
            for key, label in zip(keys, labels, strict=True)
        ]


def _entries(path: Path, arrays: Sequence[_Array]) -> list[_Entry]:
    """Which arrays are images. Raises `DataError` naming the file where their names do not tell, or one is no image."""
    known = [array for array in arrays if array.words & (MANY | ONE) and not array.words & (LABELS | MASKS)]
    left = [array for array in arrays if not array.words & (LABELS | MASKS) and len(array.shape) >= 2]
    found = arrays[:1] if path.suffix.lower() == ".npy" else known or (left if len(left) == 1 else [])
    if not found:
        names = ", ".join(array.name for array in arrays) or "nothing"
        raise DataError(f"{path}: holds {names}, and which are images is not told; call them images and labels, or train_images, ….")
    entries = []
    for array in found:
        mates = [other for other in arrays if other.words & LABELS and other.part == array.part and len(other.shape) < 3]
        rows = next((mate for mate in mates if mate.shape[:1] == array.shape[:1] and len(array.shape) > 2), None)
        many = len(array.shape) > 2 and (rows is not None or bool(array.words & MANY) or ("x" in array.words and array.split != ""))
        label = rows if many else next((mate for mate in mates if prod(mate.shape) == 1), None)
        entry = _Entry(array, label, many)
        if len(entry.shape) not in (2, 3, 4):
            raise DataError(f"{path}: {array.name} has axes {array.shape}; an image has two or three, with channels three or four.")
        entries.append(entry)
    return entries


def _colour_axis(shape: tuple[int, ...]) -> int | None:
    """Which axis of (H, W, C) or (C, H, W), or of those of a volume, holds channels; None: none does."""
    if shape[-1] in COLOUR_AXES and min(shape[:-1]) > max(COLOUR_AXES):
        return len(shape) - 1
    return 0 if shape[0] in COLOUR_AXES and min(shape[1:]) > max(COLOUR_AXES) else None


def _channels_first(data: np.ndarray, path: Path) -> np.ndarray:
    """(C, *spatial). Raises `DataError` where four axes have none for channels."""
    import numpy as np

    if data.ndim == 2:
        return data[None]
    axis = _colour_axis(data.shape)
    if axis is None and data.ndim == 3:
        return data[None]
    if axis is None and data.ndim == 4:
        axis = int(np.argmin(data.shape))
    if axis is None:
        raise DataError(f"{path}: an image has axes {data.shape}; it has two or three, with channels three or four.")
    data = np.moveaxis(data, axis, 0)
    flat = data.ndim == 3
    return data[:3] if flat and len(data) == 4 else data  # transparency is no channel


def _label_names(labels: _Array) -> list[str]:
    """A label's number as text for each row; several columns of 0 and 1 name all that are 1, by their position."""
    import numpy as np

    values = np.asarray(_values(labels.path, labels.name))
    values = values.reshape(len(values), -1)
    if values.dtype.kind in "SU" or values.shape[1] == 1:
        return [_name(value) for value in values[:, 0].tolist()]
    if not np.isin(values, (0, 1)).all():
        raise DataError(f"{labels.path}: {labels.name} has {values.shape[1]} columns that are not 0 or 1; name the labels in a table.")
    return [SEPARATOR.join(map(str, np.flatnonzero(row))) for row in values]


def _name(value: bytes | str | float) -> str:
    """A label as text; "" where it is no number."""
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    if isinstance(value, str):
        return value
    return "" if value != value else str(int(value)) if value == int(value) else str(value)


def _arrays(path: Path) -> list[_Array]:
    """What arrays a file holds, by their headers alone. Raises `DataError` naming one that is broken or would have to be unpickled."""
    if not path.stat().st_size:
        raise empty(path)
    try:
        if path.suffix.lower() == ".npy":
            with path.open("rb") as file:
                arrays = [_header(file, path, path.stem)]
        else:
            with zipfile.ZipFile(path) as archive:
                names = [name for name in archive.namelist() if name.endswith(".npy")]
                arrays = []
                for name in names:
                    with archive.open(name) as file:
                        arrays.append(_header(file, path, name.removesuffix(".npy")))
    except BROKEN as error:
        raise broken(path, error) from error
    pickled = [array.name for array in arrays if array.objects]
    if pickled:
        raise DataError(f"{path}: {pickled[0]} holds Python objects, which are never unpickled; save numbers, or set data.on_error=skip.")
    return arrays


def _labels_beside(path: Path) -> list[_Array]:
    """Labels in a file of their own, called as the images are but for one word: y_train.npy beside X_train.npy."""
    words = re.split(r"([A-Za-z]+)", path.stem)
    for label in sorted(LABELS):
        name = "".join(label if word.lower() in MANY | ONE else word for word in words)
        other = path.with_name(f"{name}{path.suffix}")
        if name != path.stem and other.is_file():
            return _arrays(other)
    return []


def _header(file: IO[bytes], path: Path, name: str) -> _Array:
    from numpy.lib import format as npy

    version = npy.read_magic(file)
    read: Any = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(file)
    return _Array(path, name, tuple(shape), dtype.hasobject)


def _values(path: Path, name: str) -> np.ndarray:
    """An array's numbers, those of a .npy mapped. Raises `DataError` naming the file."""
    status = path.stat()
    with _ONE_AT_A_TIME:
        return _kept(path, name, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=KEPT)
def _kept(path: Path, name: str, changed: int, size: int) -> np.ndarray:
    """An array that stays at hand: a row of a packed one cannot be had without unpacking all of it."""
    import numpy as np

    try:
        if path.suffix.lower() == ".npy":
            return np.load(path, mmap_mode="r", allow_pickle=False)
        with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as file:
            if archive.getinfo(f"{name}.npy").file_size <= LARGE:
                return np.asarray(np.lib.format.read_array(file, allow_pickle=False))
            return np.load(_unpacked(file, f"{path.resolve()} {name} {changed} {size}"), mmap_mode="r", allow_pickle=False)
    except KeyError as error:
        raise DataError(f"{path}: has no array {name}; correct the path.") from error
    except BROKEN as error:
        raise broken(path, error) from error


def _unpacked(file: IO[bytes], version: str) -> Path:
    """An array too large for memory, unpacked once into the cache folder."""
    there = cache_folder() / "arrays" / f"{hashlib.blake2b(version.encode(), digest_size=12).hexdigest()}.npy"
    if not there.is_file():
        there.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=there.parent, delete=False) as copy:
            shutil.copyfileobj(file, copy, 2**20)
        Path(copy.name).replace(there)
    return there
