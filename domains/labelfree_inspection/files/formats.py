"""Which format a file is of, by its first bytes and not by its name, and what reads it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from labelfree.domain import Window
from labelfree.errors import DataError
from labelfree_inspection.files import arrays, netpbm, pictures, tiff
from labelfree_inspection.files.picture import Picture, broken

T = TypeVar("T")
HEAD = 32  # bytes that tell


@dataclass(frozen=True)
class Format:
    """One kind of file. `begins`: what its bytes may begin with. `decode`: all of it, `size`: (rows, columns) by its header alone.

    All are given a file and the page that is asked for (None: all), and raise whatever they like at broken bytes. `window`: decodes a part.
    """

    begins: tuple[bytes, ...]
    decode: Callable[[Path, int | None], Picture]
    size: Callable[[Path, int | None], tuple[int, int]]
    window: Callable[[Path, int | None, Window, bool], Picture | None] | None = None


FORMATS = (
    Format((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), tiff.decode, tiff.size, tiff.decode_window),
    Format((b"\x89PNG\r\n\x1a\n",), pictures.decode_png, pictures.size),
    Format((b"\xff\xd8\xff",), pictures.decode_jpeg, pictures.size),
    Format((b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"), pictures.decode_jpeg2000, pictures.size),
    Format((b"P2", b"P3", b"P5", b"P6"), netpbm.decode, netpbm.size),
    Format((b"BM", b"RIFF", b"P1", b"P4"), pictures.decode_other, pictures.size),
    Format((b"\x93NUMPY",), arrays.decode, arrays.size),
)
ENDINGS = (
    ".png", ".bmp", ".dib", ".jpg", ".jpeg", ".jpe", ".tif", ".tiff", ".jp2", ".j2k", ".webp", ".pgm", ".ppm", ".pnm", ".pbm", ".npy",
)  # fmt: skip


def decode(path: Path, page: int | None) -> Picture:
    """All of a file. Raises `DataError` naming one that is empty, broken, of no known format or in need of a package."""
    return _asked(path, lambda known: known.decode(path, page))


def size_of(path: Path, page: int | None) -> tuple[int, int]:
    """(rows, columns), no pixel decoded. Raises `DataError` as `decode` does."""
    return _asked(path, lambda known: known.size(path, page))


def decode_window(path: Path, page: int | None, window: Window, cheap: bool = True) -> Picture | None:
    """A part of a file that can be decoded alone; None where only the whole can be, or where that is not `cheap`."""
    return _asked(path, lambda known: None if known.window is None else known.window(path, page, window, cheap))


def _asked(path: Path, ask: Callable[[Format], T]) -> T:
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
        if not head:
            raise DataError(f"{path}: is empty; fetch it again, or set data.on_error=skip.")
        known = next((each for each in FORMATS if head.startswith(each.begins)), None)
        if known is None:
            raise DataError(f"{path}: is no picture of a kind that is read here, whatever its name says; remove it, or convert it to PNG.")
        return ask(known)
    except DataError:
        raise
    except MemoryError as error:
        raise DataError(f"{path}: does not fit in memory; cut it into parts, or save it as a tiled TIFF.") from error
    except Exception as error:  # decoders raise whatever they like at broken bytes
        raise broken(path, error) from error
