"""How large labelled objects are on their images: what shrinking an image makes of the smallest, and how large tiles should be."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from labelfree.data.drawn_images import frame_of, size_of
from labelfree.data.label_formats.listed import BACKGROUND
from labelfree.data.pool import at_even_steps
from labelfree.data.set_labels import SetLabels
from labelfree.domain import IGNORE, Row
from labelfree.errors import DataError

LEAST = 8  # pixels across, below which an object that was shrunk is taken as lost
SPECK = 4  # pixels of a mask, fewer of which are taken for a slip of the hand
LOOKS = 32  # masks that are read


@dataclass(frozen=True)
class ObjectSizes:
    """Labelled objects on pictures. `across`, `along`: (n,) the shorter and the longer side of the box around each, in pixels of its image;
    `extent`: (n,) the longest side of that image; `images`: what it is called.
    """

    across: np.ndarray
    along: np.ndarray
    extent: np.ndarray
    images: tuple[str, ...]

    @classmethod
    def of(cls, found: Sequence[tuple[float, float, int, str]]) -> ObjectSizes:
        """From (width, height, longest side of the image, what it is called) of each."""
        sides = np.sort(np.array([each[:2] for each in found], np.float64).reshape(-1, 2), axis=1)
        return cls(sides[:, 0], sides[:, 1], np.array([each[2] for each in found], np.int64), tuple(each[3] for each in found))

    def __len__(self) -> int:
        return len(self.across)

    @property
    def smallest(self) -> str:
        """The smallest of them in words."""
        at = int(self.across.argmin())
        return f"{self.across[at]:.3g} px across ({self.images[at]})"

    def shrunk(self, size: int, of: int | None = None) -> tuple[int, float]:
        """Which object is the smallest where whole images are shown with `size` pixels along their longest side, or parts of `of` pixels
        are; and how many pixels across it is then. Nothing grows.
        """
        shown = self.across * np.minimum(1, size / (self.extent if of is None else of))
        return int(shown.argmin()), float(shown.min())


def object_sizes(rows: Sequence[Row], labels: SetLabels) -> ObjectSizes:
    """Of what is drawn on rows, and of the pieces that masks of a few of them mark; of pictures alone."""
    found = [each for row in rows if row.listed is not None and row.window is None for each in _drawn(row, labels)]
    masked = [row for row in rows if row.mask is not None and row.listed is None and row.window is None]
    with suppress(DataError):  # told where masks are needed
        found += _marked(at_even_steps(masked, LOOKS) if masked else [], labels)
    return ObjectSizes.of(found)


def _drawn(row: Row, labels: SetLabels) -> list[tuple[float, float, int, str]]:
    """Objects that a file of labels draws on a row."""
    assert row.listed is not None
    boxes = [box for each in row.listed.objects if (box := each.box or (each.region.box if each.region is not None else None)) is not None]
    if not boxes:
        return []
    size = row.listed.size[::-1] if row.listed.size is not None else size_of(row, labels.domain, labels.read)
    if isinstance(size, DataError):
        return []
    height, width = size if row.listed.fractions else (1, 1)
    return [((x1 - x0) * width, (y1 - y0) * height, max(size), row.id) for x0, y0, x1, y1 in boxes]


def _marked(rows: Sequence[Row], labels: SetLabels) -> list[tuple[float, float, int, str]]:
    """Connected pieces of what masks mark, corners touching."""
    from scipy import ndimage

    found = []
    pixels = labels.pixels(rows) if rows else None
    for row in rows:
        if pixels is None or not pixels.pixels.get(row.id):
            continue
        mask = pixels.mask(row, frame_of(row, labels.domain, labels.read))
        if mask.ndim != 2:
            continue
        ground = pixels.classes.index(BACKGROUND) if BACKGROUND in pixels.classes else IGNORE
        pieces, _ = ndimage.label((mask != ground) & (mask != IGNORE), np.ones((3, 3)))
        for number, (down, across) in enumerate(ndimage.find_objects(pieces), start=1):
            if (pieces[down, across] == number).sum() >= SPECK:
                found.append((float(across.stop - across.start), float(down.stop - down.start), max(mask.shape), row.id))
    return found
