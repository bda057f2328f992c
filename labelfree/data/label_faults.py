"""What is wrong with the mask and the boxes of one image: missing, broken, or not of that image."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from labelfree.data.masks import MaskCounts
from labelfree.domain import Row
from labelfree.errors import DataError

FILE_NAME = re.compile(r"[^\n\[{]+\.[A-Za-z][A-Za-z0-9]{1,4}(\.gz)?")  # a cell may also hold a polygon, or a class


@dataclass(frozen=True)
class Annotated:
    """What was found of one image's annotations. `numbers`: those of its mask, None without one that could be read."""

    faults: tuple[str, ...] = ()
    numbers: MaskCounts | None = None

    @property
    def marked(self) -> bool | None:
        """Whether its mask marks any pixel."""
        return None if self.numbers is None else any(self.numbers.numbers.keys() - {0})


def missing_annotations(rows: Sequence[Row]) -> list[str]:
    """Sentences on masks and boxes that rows name and that are not there."""
    cells = ((row, kind, getattr(row, kind)) for row in rows for kind in ("mask", "boxes"))
    return [f"{row.id}: its {kind} {cell} {_are(kind)} missing." for row, kind, cell in cells if cell and _absent(cell)]


def check_annotations(row: Row, mask: Callable[[], np.ndarray]) -> Annotated:
    """Read the mask of an image, by `mask`, which raises `DataError` where it does not fit; and see whether what the row names is there."""
    faults, numbers = missing_annotations([row]), None
    if row.mask and not _absent(row.mask) and Path(row.mask).is_file():
        try:
            numbers = MaskCounts.of(mask())
        except DataError as error:
            faults.append(str(error))
    return Annotated(tuple(faults), numbers)


def _absent(cell: str) -> bool:
    """Whether a cell names a file that is not there."""
    return len(cell) < 1000 and FILE_NAME.fullmatch(cell) is not None and not Path(cell).is_file()


def _are(kind: str) -> str:
    return "are" if kind == "boxes" else "is"
