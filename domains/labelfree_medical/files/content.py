"""A file's bytes as they were before gzip, told by what the file holds and not by its name."""

from __future__ import annotations

import gzip
import mmap
import zlib
from pathlib import Path

from labelfree.errors import DataError

GZIP = b"\x1f\x8b"


def beginning(path: Path, count: int) -> bytes:
    """The first `count` bytes, fewer where there are no more. Raises `DataError` naming the file where it cannot be unpacked."""
    with path.open("rb") as file:
        head = file.read(count)
    if not head.startswith(GZIP):
        return head
    try:
        with gzip.open(path) as unpacked:
            return unpacked.read(count)
    except (EOFError, OSError, zlib.error) as error:
        raise broken(path, error) from error


def whole(path: Path) -> bytes | mmap.mmap:
    """All bytes; a file that is not packed is mapped. Raises `DataError` naming one that is empty, cut short or damaged."""
    with path.open("rb") as file:
        head = file.read(len(GZIP))
        if not head:
            raise empty(path)
        if head != GZIP:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        packed = head + file.read()
    try:
        return gzip.decompress(packed)
    except (EOFError, OSError, zlib.error) as error:
        raise broken(path, error) from error


def unpacked_size(path: Path) -> int | None:
    """How many bytes a file holds; None where it is packed, and only unpacking tells."""
    with path.open("rb") as file:
        return None if file.read(len(GZIP)) == GZIP else path.stat().st_size


def empty(path: Path) -> DataError:
    """What to say of a file without a byte."""
    return DataError(f"{path}: is empty; fetch it again, or set data.on_error=skip.")


def broken(path: Path, error: Exception | str) -> DataError:
    """What to say of bytes that are not what they should be."""
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return DataError(f"{path}: is truncated or broken ({reason}); fetch it again, or set data.on_error=skip.")


def cut_short(path: Path, held: int, needed: int) -> DataError:
    """What to say of a file that ends before its pixels do."""
    return DataError(f"{path}: ends before its pixels do ({held:,} of {needed:,} bytes); fetch it again, or set data.on_error=skip.")
