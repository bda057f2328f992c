"""Maps of classes as people of the field open them: a picture beside a picture, a volume where its image's files place it."""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from labelfree.domain import NOTHING
from labelfree.errors import DataError

if TYPE_CHECKING:
    import numpy as np

    from labelfree_medical.put_back import Original

NODATA = 255
GOLDEN = 0.618034  # of a turn between the hues of two classes
BACKGROUND = "background"


class ClassMap:
    """`<path>.png`, a palette picture of classes by number; of a volume `<path>.nii.gz`, or `<path>.dcm`, a DICOM segmentation, beside a
    series. `<path>_confidence` in percent. 255: nothing is said.

    A map is small beside the image it is of, and stands in memory until it is whole. `original`: how a volume was stored.
    """

    def __init__(self, size: tuple[int, ...], path: Path, classes: Sequence[str], original: Original | None = None) -> None:
        import numpy as np

        if len(classes) > NODATA:
            raise DataError(f"{path}: a map of {len(classes)} classes; a file of bytes holds {NODATA} beside what nothing is said of.")
        self.path, self.classes, self.original, self.done = path, tuple(classes), original, 0
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
        return self._pictures() if self.original is None else self._volumes(self.original)

    def _pictures(self) -> list[Path]:
        return [
            _written(file, lambda part, values=values, count=count: _save_picture(part, values, count))  # type: ignore[misc]
            for file, values, count in (
                (self.path.with_name(f"{self.path.name}.png"), self.numbers, len(self.classes)),
                (self.path.with_name(f"{self.path.name}_confidence.png"), self.percent, 0),
            )
        ]

    def _volumes(self, original: Original) -> list[Path]:
        """What was cut off as air is background, where there is such a class."""
        import numpy as np

        from labelfree_medical.dicom_segments import save_segments

        air = self.classes.index(BACKGROUND) if BACKGROUND in self.classes else NODATA
        numbers, percent = original.restored(self.numbers, air), original.restored(self.percent, NODATA)
        self.counts = np.bincount(numbers[numbers != NODATA], minlength=len(self.classes))
        objects = {number: name for number, name in enumerate(self.classes) if name != BACKGROUND}
        segments, classes = (self.path.with_name(f"{self.path.name}{ending}") for ending in (".dcm", ".nii.gz"))
        if original.series is not None and save_segments(segments, numbers, objects, original.series):
            classes = segments
        else:
            _written(classes, lambda part: original.save(part, numbers))
        confidence = self.path.with_name(f"{self.path.name}_confidence.nii.gz")
        return [classes, _written(confidence, lambda part: original.save(part, percent))]


def no_shapes(file: Path, *_: object) -> Callable[[int, int], np.ndarray]:
    """Raises `DataError`: images of patients lie nowhere on a map."""
    raise DataError(f"{file}: shapes need images with coordinates on the ground; leave --region and --vector out, or name a .json of COCO.")


def _written(file: Path, save: Callable[[Path], None]) -> Path:
    """A file that is there as a whole or not at all."""
    part = file.with_name(f".making-{file.name}")
    save(part)
    part.replace(file)
    return file


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
