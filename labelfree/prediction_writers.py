"""How a domain writes and shows what was predicted for images, as people of its field open it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from labelfree.samples import Affine, Row, Sample

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


@runtime_checkable
class Writes(Protocol):
    """A domain that writes what was predicted for an image as people of its field open it."""

    def write(self, prediction: Tensor, sample: Sample, path: Path) -> list[Path]:
        """Write (*spatial) whole numbers of classes, or (K, *spatial) scores, on the grid of `sample`; `path` is without its ending.

        Returns the files written. Raises `DataError` where the prediction has another size than the sample.
        """
        ...


NOTHING = -1  # in a map: nothing is said of the pixel, for it is not measured or not asked about


class MapWriter(Protocol):
    """Takes a map of classes strip by strip along the first spatial axis. `done`: how many slices it holds, from an earlier start too;
    `counts`: (K,) how many of their pixels show each class.
    """

    done: int
    counts: np.ndarray

    def write(self, start: int, numbers: np.ndarray, confidence: np.ndarray) -> None:
        """Slices from `start` on: (n, *rest) positions among the classes, or `NOTHING`, and (n, *rest) how sure of them, 0 to 1."""
        ...

    def close(self) -> list[Path]:
        """All is written: the files, the map of classes first."""
        ...


@runtime_checkable
class WritesMaps(Protocol):
    """A domain that writes maps of classes piece by piece, as people of its field open them; none stands in memory as a whole.

    `sample`: a part of the image that begins at its first pixel; `size`: the spatial size of all of it; `row`: what was read.
    """

    def open_map(self, sample: Sample, size: tuple[int, ...], path: Path, classes: Sequence[str], row: Row) -> MapWriter:
        """A map on the grid of the image's files, whatever was done to it in reading; `path` is without its ending. One that was begun is
        gone on with. Raises `DataError`.
        """
        ...

    def region(self, file: Path, sample: Sample, size: tuple[int, ...]) -> Callable[[int, int], np.ndarray]:
        """Of slices from a first to before a last: (n, *rest) bool, where a file of shapes lies on the image. Raises `DataError`."""
        ...

    def outlines(self, maps: Sequence[tuple[str, Path]], file: Path, classes: Sequence[str]) -> Path:
        """Write what maps show (what their image is called, the file of classes) as shapes with class and score. Raises `DataError`."""
        ...


@runtime_checkable
class ShowsPlanes(Protocol):
    """A domain that shows a volume by planes through a voxel, `at` an index along each spatial axis, in any layout of its own."""

    def preview_at(self, sample: Sample, at: Sequence[int]) -> np.ndarray:
        """(H, W, 3) uint8, as `preview`."""
        ...

    def planes_at(self, numbers: np.ndarray, sample: Sample, at: Sequence[int]) -> np.ndarray:
        """(*spatial) whole numbers of the sample's voxels in that layout, (H, W); where no voxel lies a negative number, not `IGNORE`."""
        ...


class BoxesOnGround(NamedTuple):
    """Boxes found in one image that has coordinates. `name`: of the image; `crs`, `affine`: of its sample.

    `corners`: (n, 4) x0 y0 x1 y1 in pixels from the outer edge of the first one; `called`: n classes; `scores`: (n,) 0 to 1.
    """

    name: str
    crs: str
    affine: Affine
    corners: np.ndarray
    called: Sequence[str]
    scores: Sequence[float]


@runtime_checkable
class WritesBoxes(Protocol):
    """A domain whose images may lie somewhere: boxes found in them become shapes there."""

    def rectangles(self, images: Sequence[BoxesOnGround], file: Path) -> Path:
        """Write a shape a box, with the image's name as path, class and score. Raises `DataError`."""
        ...
