"""One row of a manifest as the picture that it is, after what the settings say of channels, pages and gaps."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from labelfree.data.depth import bits_of
from labelfree.data.kept import Kept
from labelfree.domain import Row, Sample, Window
from labelfree.errors import DataError
from labelfree_inspection.colours import are_equal, coloured
from labelfree_inspection.depth import Depth, require_depth
from labelfree_inspection.files import decode, decode_window, size_of
from labelfree_inspection.files.picture import Picture
from labelfree_inspection.settings import BITS, BYTES, LEVELS, REAL, TURNED, Reader

if TYPE_CHECKING:
    import numpy as np

WHOLE = 2**26  # pixels; an image without labels that is larger is read in windows
SMALL_FILE = 2**20  # bytes; no file so small is worth a look at its size
WHITE = 255.0  # in their unit, of pictures of 8 bits and fewer, however many a file uses
PATCHES, PATCH = 4, 128  # along each axis of a large picture, and pixels a side: what tells whether its colours are gray

WHITE_IS_ZERO = "0 is white in its files (WhiteIsZero); their numbers are turned over, so that more is brighter"
HUGE = 1e38  # real numbers from here on are what programs write into gaps
BEYOND = "numbers beyond 1e38 stand for no measurement"
HOLES = "holes (NaN) are pixels without a measurement and take part in no statistic"


def extent(path: Path, reader: Reader) -> tuple[int, int] | None:
    """(rows, columns) of an image that is read in windows; None of one that is read whole, and where only reading tells what is wrong."""
    try:
        if path.stat().st_size < SMALL_FILE:
            return None
        rows, columns = size_of(path, reader.page)
    except (DataError, OSError):
        return None
    return (rows, columns) if rows * columns > WHOLE else None


def read_sample(row: Row, reader: Reader, kept: Kept[Picture]) -> Sample:
    """The row's image, or its window; holes of a height map stay no number.

    Raises `DataError` naming a file that is broken, or is of another depth than `reader.depth`.
    """
    import numpy as np
    import torch

    from labelfree.data.measured_pixels import fill

    picture = _named(_picture(row, reader, kept), row, reader)
    data, measured = _without_gaps(picture, reader.nodata)
    if reader.depth is not None and (used := bits_of(data)) is not None and picture.bits != 1:
        require_depth(row.called, used, 8 * data.itemsize, Depth(reader.depth, reader.shift or 0))
    notes = picture.notes
    if measured is not None:
        notes = (*notes, BEYOND) if data.dtype.kind == "f" and (np.abs(data[np.isfinite(data)]) >= HUGE).any() else notes
        holes = ~np.isfinite(data) if data.dtype.kind == "f" else np.zeros(data.shape, bool)
        fill(data, measured)
        if holes.any():
            data[holes] = np.nan  # as it is stored; the core fills what is no number wherever it computes
            notes = (*notes, HOLES)
    tags = {BITS: str(picture.bits)} if picture.bits else {}
    if picture.zero_is_white and (white := _white(data, picture.bits, reader)) is not None:
        data = data.dtype.type(white) - data
        notes, tags = (WHITE_IS_ZERO, *notes), {**tags, TURNED: str(white)}
    scale, unit = _scale_of(data, picture.bits)
    return Sample(
        data=torch.from_numpy(data),
        channels=picture.channels,
        scale=(scale,) * len(data),
        offset=(0.0,) * len(data),
        unit=unit,
        measured=None if measured is None else torch.from_numpy(measured),
        source=row.id,
        tags=tags,
        notes=notes,
    )


def _picture(row: Row, reader: Reader, kept: Kept[Picture]) -> Picture:
    path, window = row.path, row.window
    if not path.is_file():
        raise DataError(f"{path}: no such file.")
    if window is None:
        picture = decode(path, reader.page)
        return coloured(picture, reader.colour, reader.colour == "auto" and are_equal(picture))
    part = decode_window(path, reader.page, window)
    if part is not None:
        return coloured(part, reader.colour, reader.colour == "auto" and _gray_at_large(path, path.stat().st_mtime_ns, reader.page))
    whole = kept.get((path, reader.page, reader.colour), lambda: _picture(replace(row, window=None), reader, kept))
    rows, columns = (slice(start, start + side) for start, side in zip(window.start, window.size, strict=True))
    hidden = None if whole.hidden is None else whole.hidden[rows, columns]
    return replace(whole, data=whole.data[:, rows, columns].copy(), hidden=hidden)


@lru_cache(maxsize=4096)
def _gray_at_large(path: Path, changed: int, page: int | None) -> bool:
    """Whether the colours of a large picture are equal, in patches spread over all of it: its windows must agree."""
    rows, columns = size_of(path, page)
    corners = [(top, left) for top in _spread(rows) for left in _spread(columns)]
    patches = (decode_window(path, page, Window(at, (min(PATCH, rows), min(PATCH, columns))), cheap=False) for at in corners)
    return all(patch is not None and are_equal(patch) for patch in patches)


def _spread(length: int) -> list[int]:
    return sorted({round(at * max(0, length - PATCH) / (PATCHES - 1)) for at in range(PATCHES)})


def _named(picture: Picture, row: Row, reader: Reader) -> Picture:
    """With the names that the settings give its channels."""
    if reader.channels is None:
        return picture
    if len(reader.channels) != len(picture.channels):
        held = f"{len(picture.channels)} channels ({', '.join(picture.channels)}), reader.channels names {len(reader.channels)}"
        raise DataError(f"{row.called}: {held}; name as many as the files hold.")
    return replace(picture, channels=tuple(reader.channels))


def _without_gaps(picture: Picture, nodata: float | None) -> tuple[np.ndarray, np.ndarray | None]:
    """The pixels, and where they are measured (rows, columns): not where a number is none, stands for none, or is transparent."""
    import numpy as np

    gaps = [] if picture.hidden is None else [picture.hidden]
    if picture.data.dtype.kind == "f":
        gaps.append(~(np.isfinite(picture.data) & (np.abs(picture.data) < HUGE)).all(axis=0))
    if nodata is not None:
        gaps.append((picture.data == nodata).any(axis=0))
    missing = np.logical_or.reduce(gaps) if gaps else None
    data = picture.data if picture.data.flags.writeable else picture.data.copy()
    return data, None if missing is None or not missing.any() else ~missing


def _white(data: np.ndarray, bits: int | None, reader: Reader) -> int | None:
    """The largest number that whole ones may have: as the file says, or by the depth of its set; of 16 bits where neither is known."""
    if data.dtype.kind != "u":
        return None
    if bits is not None:
        return 2**bits - 1
    if data.itemsize == 1 or reader.depth is None:
        return 2 ** (8 * data.itemsize) - 1
    return Depth(reader.depth, reader.shift or 0).white


def _scale_of(data: np.ndarray, bits: int | None) -> tuple[float, str]:
    """What makes physical numbers of stored ones, and their unit."""
    if data.dtype.kind == "f":
        return 1.0, REAL
    if data.itemsize == 1:
        return WHITE / (2 ** (bits or 8) - 1), BYTES
    return 1.0, LEVELS
