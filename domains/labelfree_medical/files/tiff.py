"""TIFF through tifffile: gray of any depth, colours, stacks of pages as volumes or channels where the file says which."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelfree.errors import DataError
from labelfree_medical.files.content import broken, empty
from labelfree_medical.files.pictures import picture_of, upright
from labelfree_medical.files.voxels import UNIT, chosen, names_of, plain, times, without_gaps
from labelfree_medical.stored import ImageFiles, Listing, Stored

if TYPE_CHECKING:
    import numpy as np

endings = (".tif", ".tiff")
ORIENTATION = 274
LARGEST = 2**30  # numbers in a file; a stack of a thousand slices has fewer
WHITE_IS_ZERO, PALETTE = 0, 3  # of the tag PhotometricInterpretation
ALPHA = {1, 2}  # of the tag ExtraSamples
DEPTH = "ZQI"  # tifffile's letters of axes: depth, and pages that no metadata tells more of
PAGES = "its pages are taken as the slices of a volume."


def list_tiff(path: Path) -> Listing:
    """The picture or volume of a file, or one for each time. Raises `DataError` naming a file that is broken."""
    with _Tiff(path) as file:
        if file.times > 1:
            return Listing(
                tuple(replace(image, kind=file.kind) for image in times(path, file.times)), notes=("each time in it is an image.",)
            )
        return Listing((ImageFiles(path, (path,), file.kind),), notes=(PAGES,) if file.kind == "volume" else ())


def read_tiff(image: ImageFiles) -> Stored:
    """(C, rows, columns), or (C, pages, rows, columns) of a stack. Raises `DataError` naming a file that is broken."""
    import numpy as np

    with _Tiff(image.path) as file:
        data = file.pixels(chosen(file.times, image))
        if file.kind == "picture":
            clear = None
            if file.transparent:
                data, clear = data[:-1], data[-1] < _white(data.dtype) / 2
            data, measured = without_gaps(plain(data, image.path), image.path)
            hidden = clear if measured is None else ~measured if clear is None else clear | ~measured
            turned = upright(np.moveaxis(data, 0, -1), file.orientation)
            return picture_of(turned, None if hidden is None else upright(hidden, file.orientation), image)
        data = data[:-1] if file.transparent else data
    data, measured = without_gaps(plain(data, image.path), image.path)
    channels = names_of(len(data), image.channels, image.path)
    return Stored(data, channels, (1.0,) * len(data), (0.0,) * len(data), UNIT, measured=measured, axes="zyx")


class _Tiff:
    """An open file's first series: its largest resolution. Raises `DataError` naming one that is broken."""

    def __init__(self, path: Path) -> None:
        import tifffile

        self.path = path
        if not path.stat().st_size:
            raise empty(path)
        try:
            self.file = tifffile.TiffFile(path)
            self.series = self.file.series[0]
            self.page: Any = self.series.keyframe
        except Exception as error:  # decoders raise whatever they like at broken bytes
            raise broken(path, error) from error
        if math.prod(self.series.shape) > LARGEST:
            raise DataError(f"{path}: has axes {self.series.shape}, as slides of microscopes have; cut it into pictures first.")

    def __enter__(self) -> _Tiff:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    @property
    def axes(self) -> str:
        """A letter an axis, as tifffile names them; axes of length 1 count as none."""
        return "".join(letter for letter, size in zip(self.series.axes, self.series.shape, strict=True) if size > 1 or letter in "YX")

    @property
    def kind(self) -> Any:
        return "volume" if any(letter in DEPTH for letter in self.axes) else "picture"

    @property
    def times(self) -> int:
        return int(self.series.shape[self.series.axes.index("T")]) if "T" in self.axes else 1

    @property
    def transparent(self) -> bool:
        """Whether its last sample is transparency."""
        return any(int(extra) in ALPHA for extra in self.page.extrasamples or ())

    @property
    def orientation(self) -> int:
        tag = self.page.tags.get(ORIENTATION)
        return int(tag.value) if tag is not None else 1

    def pixels(self, time: int | None) -> np.ndarray:
        """(C, [pages,] rows, columns); white is the largest number, whichever the file means by 0."""
        import numpy as np

        data = self._decoded()
        if self.page.photometric == PALETTE and self.page.colormap is not None:
            colours = np.moveaxis(self.page.colormap[:, data], 0, -1)  # of 16 bits, by the format
            data, axes = (colours >> 8).astype(np.uint8), self.axes + "S"
        else:
            axes = self.axes
            data = _white(data.dtype, max(8, self.page.bitspersample)) - data if self.page.photometric == WHITE_IS_ZERO else data
        if "T" in axes:
            data, axes = np.take(data, time or 0, axes.index("T")), axes.replace("T", "")
        inner = [next(axes.index(letter) for letter in axes if letter in DEPTH)] if self.kind == "volume" else []
        inner += [axes.index("Y"), axes.index("X")]
        outer = [axis for axis in range(len(axes)) if axis not in inner]
        if len(outer) > 1:
            raise DataError(f"{self.path}: has axes {axes}; save each image as a file of its own.")
        data = data.transpose(*outer, *inner)
        return data if outer else data[None]

    def _decoded(self) -> np.ndarray:
        """The numbers of the file, without axes of length 1."""
        import numpy as np

        try:
            data = np.asarray(self.series.asarray())
        except Exception as error:  # as above
            if "imagecodecs" in str(error):
                raise DataError(f"{self.path}: imagecodecs is needed to decode it; pip install imagecodecs.") from error
            raise broken(self.path, error) from error
        data = np.uint8(255) * data if data.dtype == bool else data
        return data.reshape([size for letter, size in zip(self.series.axes, self.series.shape, strict=True) if size > 1 or letter in "YX"])


def _white(dtype: np.dtype[Any], bits: int | None = None) -> Any:
    """The largest number of whole ones, of as many bits as are used; 1 of floats."""
    import numpy as np

    if dtype.kind == "f":
        return dtype.type(1)
    return dtype.type(2**bits - 1) if bits and dtype.kind == "u" else np.iinfo(dtype).max
