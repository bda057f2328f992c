"""TIFF through tifffile: any depth, packed or not, either byte order, planes, palettes, pages; windows of large ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelfree.domain import Window
from labelfree.errors import DataError
from labelfree_inspection.files.picture import Picture, lacking, picture_of

if TYPE_CHECKING:
    import numpy as np

WHITE_IS_ZERO, PALETTE = 0, 3  # of the tag PhotometricInterpretation
ALPHA = (1, 2)  # of the tag ExtraSamples
NODATA = 42113  # GDAL's tag
MOST_PAGES = 16  # that are read as channels of one picture
TURNED = "0 is white in its files (WhiteIsZero); their numbers are turned over, so that more is brighter"


@dataclass(frozen=True)
class _Pages:
    """The pages of a file that make its picture, alike in size and type. `pages`: how many of its size it holds in all."""

    path: Path
    chosen: tuple[Any, ...]
    of: int

    @property
    def first(self) -> Any:
        return self.chosen[0]

    @property
    def size(self) -> tuple[int, int]:
        return self.first.imagelength, self.first.imagewidth

    @property
    def notes(self) -> tuple[str, ...]:
        said = [TURNED] if self.first.photometric == WHITE_IS_ZERO else []
        if len(self.chosen) > 1:
            said.append(f"{self.of} pages of one size in each file are read as channels (reader.page=1 takes the first alone)")
        return tuple(said)


def decode(path: Path, page: int | None) -> Picture:
    """The picture; pages of its size are channels, or the one that is asked for alone. Smaller pages are previews."""
    with _opened(path, page) as pages:
        return _picture(pages, [each.asarray(maxworkers=1) for each in pages.chosen])


def size(path: Path, page: int | None) -> tuple[int, int]:
    """(rows, columns)."""
    with _opened(path, page) as pages:
        return pages.size


def decode_window(path: Path, page: int | None, window: Window) -> Picture:
    """A part of the picture: only the strips or tiles that it lies in are decoded."""
    with _opened(path, page) as pages:
        return _picture(pages, [_part(each, window) for each in pages.chosen])


@contextmanager
def _opened(path: Path, page: int | None) -> Iterator[_Pages]:
    try:
        import tifffile
    except ImportError as error:
        raise lacking(path, "tifffile") from error
    try:
        with tifffile.TiffFile(path) as file:
            yield _chosen(path, list(file.pages), page)
    except ValueError as error:
        if "imagecodecs" in str(error):
            raise lacking(path, "imagecodecs") from error
        raise


def _chosen(path: Path, pages: list[Any], asked: int | None) -> _Pages:
    """The largest of the pages and those like it, or the one that is asked for."""
    if not pages:
        raise DataError(f"{path}: holds no page; fetch it again, or set data.on_error=skip.")
    whole = [page.aspage() for page in pages]
    first = max(whole, key=lambda page: page.imagelength * page.imagewidth)
    alike = [page for page in whole if _like(page, first)]
    if asked is not None:
        if asked > len(alike):
            raise DataError(f"{path}: has {len(alike)} pages of one size, reader.page asks for page {asked}; choose another.")
        return _Pages(path, (alike[asked - 1],), len(alike))
    if len(alike) > MOST_PAGES:
        raise DataError(f"{path}: holds {len(alike)} pages of one size; say which is meant, as reader.page=1.")
    return _Pages(path, tuple(alike), len(alike))


def _like(page: Any, first: Any) -> bool:
    def kind(each: Any) -> tuple[Any, ...]:
        return each.imagelength, each.imagewidth, each.samplesperpixel, each.dtype, each.bitspersample, each.photometric

    return kind(page) == kind(first)


def _picture(pages: _Pages, decoded: list[np.ndarray]) -> Picture:
    import numpy as np

    page = pages.first
    planes = [_samples(page, each) for each in decoded]
    alpha = any(int(extra) in ALPHA for extra in page.extrasamples or ())
    bits = page.bitspersample if isinstance(page.bitspersample, int) else page.bitspersample[0]
    told = None if bits in (8, 16) or page.dtype.kind == "f" else int(bits)
    pictures = [picture_of(each, pages.path, told, alpha, pages.notes) for each in planes]
    hidden = [each.hidden for each in pictures if each.hidden is not None]
    if (gap := _nodata(page)) is not None:
        hidden.append(np.logical_and.reduce([(each.data == gap).all(axis=0) for each in pictures]))
    hides = np.logical_or.reduce(hidden) if hidden else None
    hides = None if hides is None or not hides.any() else hides
    if len(pictures) == 1:
        return Picture(pictures[0].data, pictures[0].channels, hides, told, pages.notes)
    names = [
        f"page {at}" if len(each.channels) == 1 else f"page {at} {name}" for at, each in enumerate(pictures, 1) for name in each.channels
    ]
    return Picture(np.concatenate([each.data for each in pictures]), tuple(names), hides, told, pages.notes)


def _samples(page: Any, decoded: np.ndarray) -> np.ndarray:
    """(rows, columns[, samples]); a palette's numbers are the colours that they mean, and larger is brighter."""
    import numpy as np

    samples = decoded
    if page.planarconfig == 2 and samples.ndim == 3:
        samples = np.moveaxis(samples, 0, -1)
    if page.photometric == PALETTE and page.colormap is not None:
        colours = np.moveaxis(page.colormap[:, samples], 0, -1)
        colours = (colours >> 8).astype(np.uint8)  # of 16 bits, by the format
        gray = (page.colormap == page.colormap[:1]).all()
        return colours[..., 0] if gray else colours
    if page.photometric == WHITE_IS_ZERO and samples.dtype.kind == "b":
        return ~samples
    if page.photometric == WHITE_IS_ZERO and samples.dtype.kind == "u":
        white = 2 ** (page.bitspersample if isinstance(page.bitspersample, int) else page.bitspersample[0]) - 1
        return samples.dtype.type(white) - samples
    return samples


def _nodata(page: Any) -> float | None:
    """The number that GDAL was told to stand for no measurement."""
    tag = page.tags.get(NODATA)
    try:
        return None if tag is None else float(tag.value)
    except (TypeError, ValueError):
        return None


def _part(page: Any, window: Window) -> np.ndarray:
    """A window of a page as `asarray` gives the whole."""
    import numpy as np

    planes, per = (page.samplesperpixel, 1) if page.planarconfig == 2 else (1, page.samplesperpixel)
    high, wide = (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, page.imagewidth)
    high = min(high, page.imagelength) if not page.is_tiled else high
    down, across = -(-page.imagelength // high), -(-page.imagewidth // wide)
    found = np.zeros((planes, window.height, window.width, per), page.dtype)
    rows = range(window.top // high, -(-(window.top + window.height) // high))
    columns = range(window.left // wide, -(-(window.left + window.width) // wide))
    tables = {"jpegtables": page.jpegtables} if page.jpegtables is not None else {}
    for plane, row, column in product(range(planes), rows, columns):
        at = (plane * down + row) * across + column
        page.parent.filehandle.seek(page.dataoffsets[at])
        packed = page.parent.filehandle.read(page.databytecounts[at])  # before `decode` is asked for, which reads elsewhere
        piece, _, shape = page.decode(packed, at, **tables)
        top, left = row * high - window.top, column * wide - window.left
        _paste(found[plane], None if piece is None else piece[0], top, left, shape[1:3])
    stacked = found[..., 0] if per == 1 else found[0][None]
    return stacked if planes > 1 else stacked[0]


def _paste(onto: np.ndarray, piece: np.ndarray | None, top: int, left: int, shape: tuple[int, int]) -> None:
    """Put a strip or tile (rows, columns, samples), of which `shape` is meant, where it lies; one that was left out is 0."""
    if piece is None:
        return
    bottom, right = min(top + shape[0], onto.shape[0]), min(left + shape[1], onto.shape[1])
    first, start = max(top, 0), max(left, 0)
    if first < bottom and start < right:
        onto[first:bottom, start:right] = piece[first - top : bottom - top, start - left : right - left]
