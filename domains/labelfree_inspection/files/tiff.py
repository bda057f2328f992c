"""TIFF through tifffile: any depth, packed or not, either byte order, planes, palettes, pages; windows of large ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelfree.data.kept import MOST_BYTES
from labelfree.domain import Window
from labelfree.errors import DataError
from labelfree_inspection.files.picture import Picture, lacking, picture_of

if TYPE_CHECKING:
    import numpy as np

WHITE_IS_ZERO, PALETTE, LAB = 0, 3, (8, 9, 10)  # of the tag PhotometricInterpretation
ALPHA = (1, 2)  # of the tag ExtraSamples
CIE = ("lightness", "green to red", "blue to yellow")  # of L*a*b*, which are no colours of a camera
NODATA = 42113  # GDAL's tag
SAME_SHAPE = 0.1  # by which the proportions of a preview may differ, for its sides are whole numbers
WASTE = 4  # times the pixels of a window, beyond which decoding all and keeping it is faster for windows side by side
MOST_PAGES = 16  # that are read as channels of one picture


@dataclass(frozen=True)
class _Pages:
    """The pages of a file that make its picture, alike in size and type. `others`: those that are not, and no previews of it."""

    path: Path
    chosen: tuple[Any, ...]
    others: tuple[Any, ...]

    @property
    def first(self) -> Any:
        return self.chosen[0]

    @property
    def size(self) -> tuple[int, int]:
        return self.first.imagelength, self.first.imagewidth

    @property
    def notes(self) -> tuple[str, ...]:
        said = list[str]()
        if len(self.chosen) > 1:
            said.append(f"{len(self.chosen)} pages of one size in a file are read as channels (reader.page=1 takes the first alone)")
        if self.others:
            said.append("pages of another size or type than the largest of their file are not read")
        return tuple(said)


def decode(path: Path, page: int | None) -> Picture:
    """The picture; pages of its size are channels, or the one that is asked for alone. Smaller pages are previews."""
    with _opened(path, page) as pages:
        return _picture(pages, [each.asarray(maxworkers=1) for each in pages.chosen])


def size(path: Path, page: int | None) -> tuple[int, int]:
    """(rows, columns)."""
    with _opened(path, page) as pages:
        return pages.size


def decode_window(path: Path, page: int | None, window: Window, cheap: bool) -> Picture | None:
    """A part of the picture: only the strips or tiles that it lies in are decoded.

    None where these are much more than the window, as strips across all of a scan, and the whole can be kept; `cheap` False: never.
    """
    with _opened(path, page) as pages:
        if cheap and _wasteful(pages, window):
            return None
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
    others = tuple(page for page in whole if not _like(page, first) and not _previews(page, first))
    if asked is not None:
        if asked > len(alike):
            raise DataError(f"{path}: has {len(alike)} pages of one size, reader.page asks for page {asked}; choose another.")
        return _Pages(path, (alike[asked - 1],), others)
    if len(alike) > MOST_PAGES:
        raise DataError(f"{path}: holds {len(alike)} pages of one size; say which is meant, as reader.page=1.")
    return _Pages(path, tuple(alike), others)


def _like(page: Any, first: Any) -> bool:
    def kind(each: Any) -> tuple[Any, ...]:
        return each.imagelength, each.imagewidth, each.samplesperpixel, each.dtype, each.bitspersample, each.photometric

    return kind(page) == kind(first)


def _previews(page: Any, first: Any) -> bool:
    """Whether a page is a smaller copy of the first: it says so, or is of its proportions."""
    if page.is_reduced:
        return True
    smaller = page.imagelength < first.imagelength and page.imagewidth < first.imagewidth
    ratio = page.imagelength * first.imagewidth / (page.imagewidth * first.imagelength)
    return bool(smaller and 1 / (1 + SAME_SHAPE) <= ratio <= 1 + SAME_SHAPE)


def _picture(pages: _Pages, decoded: list[np.ndarray]) -> Picture:
    import numpy as np

    page = pages.first
    planes = [_samples(page, each) for each in decoded]
    alpha = any(int(extra) in ALPHA for extra in page.extrasamples or ())
    bits = page.bitspersample if isinstance(page.bitspersample, int) else page.bitspersample[0]
    told = None if bits % 8 == 0 or page.dtype.kind == "f" else int(bits)
    pictures = [picture_of(each, pages.path, told, alpha, pages.notes) for each in planes]
    if page.photometric in LAB:
        pictures = [replace(each, channels=CIE[: len(each.channels)]) for each in pictures]
    hidden = [each.hidden for each in pictures if each.hidden is not None]
    if (gap := _nodata(page)) is not None:
        hidden.append(np.logical_and.reduce([(each.data == gap).all(axis=0) for each in pictures]))
    hides = np.logical_or.reduce(hidden) if hidden else None
    hides = None if hides is None or not hides.any() else hides
    turned = page.photometric == WHITE_IS_ZERO and page.dtype.kind in "bu"
    if len(pictures) == 1:
        return Picture(pictures[0].data, pictures[0].channels, hides, told, pages.notes, turned)
    names = [
        f"page {at}" if len(each.channels) == 1 else f"page {at} {name}" for at, each in enumerate(pictures, 1) for name in each.channels
    ]
    return Picture(np.concatenate([each.data for each in pictures]), tuple(names), hides, told, pages.notes, turned)


def _samples(page: Any, decoded: np.ndarray) -> np.ndarray:
    """(rows, columns[, samples]); a palette's numbers are the colours that they mean."""
    import numpy as np

    samples = decoded
    if page.planarconfig == 2 and samples.ndim == 3:
        samples = np.moveaxis(samples, 0, -1)
    if page.photometric == PALETTE and page.colormap is not None:
        colours = np.moveaxis(page.colormap[:, samples], 0, -1)
        colours = (colours >> 8).astype(np.uint8)  # of 16 bits, by the format
        gray = (page.colormap == page.colormap[:1]).all()
        return colours[..., 0] if gray else colours
    return samples


def _nodata(page: Any) -> float | None:
    """The number that GDAL was told to stand for no measurement."""
    tag = page.tags.get(NODATA)
    try:
        return None if tag is None else float(tag.value)
    except (TypeError, ValueError):
        return None


def _segment(page: Any) -> tuple[int, int]:
    """(rows, columns) of a strip or tile."""
    if page.is_tiled:
        return page.tilelength, page.tilewidth
    return min(page.rowsperstrip, page.imagelength), page.imagewidth


def _wasteful(pages: _Pages, window: Window) -> bool:
    page = pages.first
    if page.is_memmappable or len(pages.chosen) * page.nbytes > MOST_BYTES:
        return False
    decoded = 1
    for start, side, length in zip(window.start, window.size, _segment(page), strict=True):
        decoded *= (-(-(start + side) // length) - start // length) * length
    return decoded > WASTE * window.height * window.width


def _part(page: Any, window: Window) -> np.ndarray:
    """A window of a page as `asarray` gives the whole."""
    import numpy as np

    if page.is_memmappable:
        inside = [slice(start, start + side) for start, side in zip(window.start, window.size, strict=True)]
        whole = page.asarray(out="memmap")
        return np.array(whole[:, *inside] if page.planarconfig == 2 and whole.ndim == 3 else whole[*inside])
    planes, per = (page.samplesperpixel, 1) if page.planarconfig == 2 else (1, page.samplesperpixel)
    high, wide = _segment(page)
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
