"""Maps of classes as people of the field open them: a picture beside a picture, NIfTI on the grid of a volume."""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from labelfree.domain import NOTHING, Sample
from labelfree.errors import DataError

if TYPE_CHECKING:
    import numpy as np

NODATA = 255
GOLDEN = 0.618034  # of a turn between the hues of two classes


class ClassMap:
    """`<path>.png`, a palette picture of classes by number, or `<path>.nii.gz`; `<path>_confidence` in percent. 255: nothing is said.

    A map is small beside the image it is of, and stands in memory until it is whole.
    """

    def __init__(self, sample: Sample, size: tuple[int, ...], path: Path, classes: Sequence[str]) -> None:
        import numpy as np

        if len(classes) > NODATA:
            raise DataError(f"{path}: a map of {len(classes)} classes; a file of bytes holds {NODATA} beside what nothing is said of.")
        self.sample, self.path, self.classes, self.done = sample, path, tuple(classes), 0
        self.counts = np.zeros(len(classes), np.int64)
        self.numbers, self.percent = (np.full(size, NODATA, np.uint8) for _ in range(2))

    def write(self, start: int, numbers: np.ndarray, confidence: np.ndarray) -> None:
        import numpy as np

        there, part = numbers != NOTHING, slice(start, start + len(numbers))
        self.numbers[part] = np.where(there, numbers, NODATA)
        self.percent[part] = np.where(there, np.rint(100 * confidence), NODATA)
        self.counts += np.bincount(numbers[there].reshape(-1), minlength=len(self.classes))
        self.done = start + len(numbers)

    def close(self) -> list[Path]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        save, ending = (_save_picture, ".png") if self.numbers.ndim == 2 else (self._save_volume, ".nii.gz")
        files = []
        for name, values in ((self.path.name, self.numbers), (f"{self.path.name}_confidence", self.percent)):
            file = self.path.with_name(f"{name}{ending}")
            part = file.with_name(f".making-{file.name}")
            save(part, values, len(self.classes) if values is self.numbers else 0)
            part.replace(file)
            files.append(file)
        return files

    def _save_volume(self, file: Path, values: np.ndarray, classes: int) -> None:
        import nibabel
        import numpy as np

        affine = np.eye(4) if self.sample.affine is None else np.array(self.sample.affine)
        nibabel.save(nibabel.Nifti1Image(values, affine), file)  # type: ignore[attr-defined,no-untyped-call]


def no_shapes(file: Path, *_: object) -> Callable[[int, int], np.ndarray]:
    """Raises `DataError`: images of patients lie nowhere on a map."""
    raise DataError(f"{file}: shapes need images with coordinates on the ground; leave --region and --vector out, or name a .json of COCO.")


def _save_picture(file: Path, values: np.ndarray, classes: int) -> None:
    from PIL import Image

    picture = Image.fromarray(values)
    if classes:
        picture.putpalette([level for colour in _colours(classes) for level in colour])
    picture.save(file)


def _colours(count: int) -> list[tuple[int, int, int]]:
    """Black for the first class, hues far apart for the others, white for what nothing is said of."""
    hues = [colorsys.hsv_to_rgb(number * GOLDEN % 1, 0.75, 0.95) for number in range(1, count)]
    colours = [(0, 0, 0), *((round(255 * red), round(255 * green), round(255 * blue)) for red, green, blue in hues)]
    return [*colours, *[(0, 0, 0)] * (NODATA - count), (255, 255, 255)]
