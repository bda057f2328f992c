"""What of a folder becomes a row of an index: whole images, windows of scenes, tiles of images; and how one of them is read again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from labelfree.data.pool import read_sample
from labelfree.data.windows import lenient, part_of, windows_over
from labelfree.domain import Domain, Row, Sample, Size, Window, extent_of
from labelfree.errors import DataError


def rows_read(rows: Iterable[Row], domain: Domain, tile: Size | None) -> list[Row]:
    """What is read one by one: images, and of scenes each window of `tile` pixels, by default 256."""
    extent, reads = lenient(extent_of(domain)), list[Row]()
    for row in rows:
        size = None if row.window else extent(row)
        reads += [row] if size is None else windows_over(row, size, tile)
    return reads


def parts_read(read: Iterable[tuple[Row, Sample]], tile: Size | None) -> Iterator[Sequence[tuple[Row, Sample]]]:
    """The tiles of each image with their rows; of a window of a scene, and without `tile` of every image, itself alone."""
    for row, sample in read:
        if tile is None or row.window:
            yield [(row, sample)]
        else:
            parts = windows_over(row, tuple(sample.data.shape[1:]), tile)
            yield [(each, part_of(sample, each.window)) for each in parts if each.window]


def read_part(domain: Domain, row: Row, box: Window | None = None) -> Sample:
    """An image, or the part of it that a row of an index or of a table is; `box`: of what is read, this part alone.

    Raises DataError where it cannot be read, or the box leaves it.
    """
    size = extent_of(domain)(replace(row, window=None))
    if size is not None and row.window is None and box is not None:
        _require_inside(box, size, row.where)  # a scene is read where the box is, and not at all of it
        return _read(domain, replace(row, window=box))
    if size is not None or row.window is None:
        return boxed(_read(domain, row), box, row.where)
    return boxed(boxed(_read(domain, replace(row, window=None)), row.window, row.where), box, row.where)


def boxed(sample: Sample, box: Window | None, called: str | Path) -> Sample:
    """The part of a sample in a box, None: all of it. Raises DataError where the box leaves it."""
    if box is None:
        return sample
    _require_inside(box, tuple(sample.data.shape[1:]), called)
    return part_of(sample, box)


def _read(domain: Domain, row: Row) -> Sample:
    sample = read_sample(domain.read, row)
    if isinstance(sample, DataError):
        raise sample
    return sample


def _require_inside(box: Window, size: Sequence[int], called: str | Path) -> None:
    """Raises DataError where a box leaves an image of this size."""
    if len(box.size) != len(size):
        corners = ",".join(f"{axis}{end}" for end in (0, 1) for axis in "xyz"[: len(size)])
        raise DataError(f"--box: {called} has {len(size)} spatial axes; give {corners}.")
    if any(first + length > side for first, length, side in zip(box.start, box.size, size, strict=True)):
        ends = ",".join(str(first + length) for first, length in zip(reversed(box.start), reversed(box.size), strict=True))
        raise DataError(f"--box: ends at {ends}, outside {called}, which ends at {','.join(map(str, reversed(size)))}.")
