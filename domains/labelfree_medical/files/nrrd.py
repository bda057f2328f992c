"""NRRD through pynrrd: placed by its own space, any order of axes, channels or times along the axis that lies in no space."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelfree.errors import DataError
from labelfree_medical.colours import COLOURS
from labelfree_medical.files.content import broken, empty
from labelfree_medical.files.places import UNPLACED, affine_of, placed
from labelfree_medical.files.voxels import UNIT, chosen, frame, names_of, plain, times, without_gaps
from labelfree_medical.stored import ImageFiles, Listing, NoImage, Stored

if TYPE_CHECKING:
    import numpy as np

endings = (".nrrd", ".nhdr")
SIGNS = {"right": 1.0, "left": -1.0, "anterior": 1.0, "posterior": -1.0, "superior": 1.0, "inferior": -1.0}  # of an axis, to RAS+
SHORT = {"ras": "right-anterior-superior", "las": "left-anterior-superior", "lps": "left-posterior-superior"}
MM = {"mm": 1.0, "cm": 10.0, "m": 1000.0, "um": 0.001, "µm": 0.001}
TIMES = "its fourth axis is a series: each step of it is an image."
RAW = ("raw",)


def list_nrrd(path: Path) -> Listing:
    """The image of a file, or one for each time. Raises `DataError` naming a file that cannot be trusted."""
    header = _header(path)
    if any(key.startswith("Segment0_") for key in header):
        return Listing(no_images=(NoImage((path,), "a segmentation; a table's column mask may name it"),))
    files = (path, *_pixels_beside(path, header))
    axes = _Axes(path, header)
    if axes.flat:
        return Listing((ImageFiles(path, files, "picture"),))
    notes = [UNPLACED] if axes.affine is None else []
    if axes.times > 1:
        images = tuple(replace(image, files=files) for image in times(path, axes.times))
        return Listing(images, notes=(*notes, TIMES))
    return Listing((ImageFiles(path, files, "volume"),), notes=tuple(notes))


def read_nrrd(image: ImageFiles) -> Stored:
    """One image. Raises `DataError` naming the file."""
    import nrrd
    from nrrd.errors import NRRDError

    header = _header(image.path)
    _pixels_beside(image.path, header)
    axes = _Axes(image.path, header)
    try:
        data, _ = nrrd.read(str(image.path), index_order="F")
    except (NRRDError, EOFError, OSError, ValueError) as error:
        raise broken(image.path, error) from error
    data = axes.channels_first(data)
    number = chosen(len(data), image, timed=axes.times > 1)
    data = data if number is None else data[number : number + 1]
    data, measured = without_gaps(plain(data, image.path), image.path)
    colour = axes.colour and len(data) == 3 and not image.channels
    channels = COLOURS if colour else names_of(len(data), image.channels, image.path)
    ones, zeros = (1.0,) * len(data), (0.0,) * len(data)
    if axes.flat:
        seen = None if measured is None else measured.T
        return Stored(data.swapaxes(1, 2), channels, ones, zeros, UNIT, None, axes.spacing and axes.spacing[::-1], seen)
    return Stored(data, channels, ones, zeros, UNIT, axes.affine, axes.spacing, measured)


def frame_nrrd(image: ImageFiles) -> Stored:
    """What `read_nrrd` gives without its channels: its size and place, by the header alone."""
    header = _header(image.path)
    axes = _Axes(image.path, header)
    shape = tuple(int(header["sizes"][axis]) for axis in axes.inside)
    if axes.flat:
        return frame(shape[::-1], UNIT, None, axes.spacing and axes.spacing[::-1])
    return frame(shape, UNIT, axes.affine, axes.spacing)


class _Axes:
    """Which axes of a file lie in space, how, and what the other one is. Raises `DataError` where that cannot be told."""

    def __init__(self, path: Path, header: dict[str, Any]) -> None:
        self.path, self.header = path, header
        count = int(header["dimension"])
        self.kinds = [str(kind).lower() for kind in header.get("kinds", ["???"] * count)]
        steps = self._steps(count)
        self.inside = self._inside(steps, count)
        self.others = [axis for axis in range(count) if axis not in self.inside]
        if len(self.inside) not in (2, 3) or len(self.others) > 1:
            raise DataError(
                f"{path}: has {count} axes, {len(self.inside)} of them in space; save each image as a file of three or four axes."
            )
        self.colour = any(self.kinds[axis] in ("rgb-color", "3-color", "rgba-color", "4-color") for axis in self.others)
        self.affine = self._affine(steps)
        self.spacing = self._spacing(steps)

    @property
    def flat(self) -> bool:
        return len(self.inside) == 2

    @property
    def times(self) -> int:
        """How many images along the axis that is not in space; 1 where these are channels."""
        if not self.others or self.colour:
            return 1
        axis = self.others[0]
        series = any(key.startswith(("MultiVolume.", "DWMRI_")) or key == f"axis {axis} index type" for key in self.header)
        weighted = str(self.header.get("modality", "")).upper() == "DWMRI"
        return int(self.header["sizes"][axis]) if series or weighted or self.kinds[axis] == "time" else 1

    def channels_first(self, data: np.ndarray) -> np.ndarray:
        """(C, *spatial) of an array in the file's order of axes."""
        import numpy as np

        if not self.others:
            return data[None]
        data = np.moveaxis(data, self.others[0], 0)
        return data[:3] if self.colour and len(data) == 4 else data  # transparency is no channel

    def _steps(self, count: int) -> np.ndarray | None:
        """(axes, space) as the header has them, NaN for an axis outside; None where it has none."""
        import numpy as np

        given = self.header.get("space directions")
        if given is None:
            return None
        rows = [np.full(3, np.nan) if row is None else np.asarray(row, dtype=float) for row in given]
        width = max((len(row) for row in rows if np.isfinite(row).any()), default=3)
        return np.stack([row if len(row) == width else np.full(width, np.nan) for row in rows])

    def _inside(self, steps: np.ndarray | None, count: int) -> list[int]:
        import numpy as np

        if steps is not None:
            return [axis for axis in range(count) if np.isfinite(steps[axis]).any()]
        named = [axis for axis, kind in enumerate(self.kinds) if kind in ("domain", "space")]
        if len(named) in (2, 3):
            return named
        if count == 4:  # nothing tells them apart: the axis of few steps is none of space, the last one else
            sizes = [int(size) for size in self.header["sizes"]]
            return [1, 2, 3] if sizes[0] <= 4 < min(sizes[1:]) else [0, 1, 2]
        return list(range(count))

    def _affine(self, steps: np.ndarray | None) -> np.ndarray | None:
        import numpy as np

        space = str(self.header.get("space", "")).lower()
        words = SHORT.get(space, space).removesuffix("-time").split("-")
        if steps is None or self.flat or len(words) != 3 or any(word not in SIGNS for word in words):
            return None
        vectors = steps[self.inside].T * self._mm()
        origin = np.asarray(self.header.get("space origin", np.zeros(3)), dtype=float) * self._mm()
        if vectors.shape != (3, 3) or origin.shape != (3,):
            raise DataError(f"{self.path}: its space has not three axes; export it again, or set data.on_error=skip.")
        order = [next(i for i, word in enumerate(words) if word in pair) for pair in _PAIRS]
        signs = [SIGNS[words[i]] for i in order]
        return placed(affine_of(vectors[order], origin[order], (signs[0], signs[1], signs[2])), self.path, "space directions")

    def _spacing(self, steps: np.ndarray | None) -> tuple[float, ...] | None:
        import numpy as np

        if steps is not None:
            sizes = np.linalg.norm(steps[self.inside], axis=1) * self._mm()
        elif "spacings" in self.header:
            sizes = np.asarray(self.header["spacings"], dtype=float)[self.inside]
        else:
            return None
        return tuple(float(size) for size in sizes) if np.isfinite(sizes).all() and (sizes > 0).all() else None

    def _mm(self) -> float:
        units = [str(unit).strip('"').lower() for unit in self.header.get("space units", [])]
        return MM.get(units[0], 1.0) if units else 1.0


_PAIRS = (("right", "left"), ("anterior", "posterior"), ("superior", "inferior"))


def _header(path: Path) -> dict[str, Any]:
    """What a header holds. Raises `DataError` naming a file that is empty or is no NRRD."""
    import nrrd
    from nrrd.errors import NRRDError

    if not path.stat().st_size:
        raise empty(path)
    try:
        header: dict[str, Any] = dict(nrrd.read_header(str(path)))
    except (NRRDError, UnicodeDecodeError, ValueError, OSError) as error:
        raise broken(path, error) from error
    if missing := [key for key in ("dimension", "sizes", "type", "encoding") if key not in header]:
        raise broken(path, f"its header has no {missing[0]}")
    return header


def _pixels_beside(path: Path, header: dict[str, Any]) -> tuple[Path, ...]:
    """The file that a header leaves its voxels to. Raises `DataError` where it is not there, or cut short."""
    name = header.get("data file", header.get("datafile"))
    if name is None:
        return ()
    if str(name).split(" ")[0] == "LIST" or "%" in str(name):
        raise DataError(f"{path}: its voxels lie in several files, which nothing reads; save it as one .nrrd.")
    beside = path.parent / str(name)
    if not beside.is_file():
        raise DataError(f"{path}: the file with its voxels, {name}, is not there; copy both, or set data.on_error=skip.")
    needed = math.prod(int(size) for size in header["sizes"])  # a byte each at least
    if header["encoding"] in RAW and beside.stat().st_size < needed:
        raise broken(beside, f"{beside.stat().st_size:,} bytes for {needed:,} voxels")
    return (beside,)
