"""PGM and PPM, binary as cameras write them (P5, P6) or as text (P2, P3): up to 16 bits, and the header says how many are used."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from labelfree.errors import DataError
from labelfree_inspection.files.picture import Picture, picture_of

FULL = (2**8 - 1, 2**16 - 1)  # what programs write of any camera: then the numbers tell
LONGEST = 4096  # bytes of a header with its comments
HEADER = re.compile(rb"P([2356])" + rb"(?:\s|#[^\n]*\n)+(\d+)" * 3 + rb"(?:#[^\n]*\n)?\s")


class Header(NamedTuple):
    """`most`: the largest number that may stand in it. `begin`: where pixels do. `text`: whether these are written out."""

    text: bool
    colours: int
    columns: int
    rows: int
    most: int
    begin: int


def decode(path: Path, page: int | None) -> Picture:
    """Numbers as they stand in it: Pillow stretches those of 10 and 12 bits to 16."""
    import numpy as np

    head = _header(path)
    dtype = np.dtype(">u2" if head.most > 255 else "u1")
    count = head.rows * head.columns * head.colours
    if head.text:
        written = re.sub(rb"#[^\n]*", b"", path.read_bytes()[head.begin :]).split()
        data = np.array(written[:count], np.int64).astype(dtype)
    else:
        data = np.fromfile(path, dtype, count, offset=head.begin)
    if len(data) < count:
        raise DataError(f"{path}: ends before its pixels do ({len(data):,} of {count:,}); fetch it again, or set data.on_error=skip.")
    shaped = data.reshape(head.rows, head.columns, head.colours) if head.colours > 1 else data.reshape(head.rows, head.columns)
    return picture_of(shaped, path, bits=None if head.most in FULL else head.most.bit_length())


def size(path: Path, page: int | None) -> tuple[int, int]:
    """(rows, columns)."""
    head = _header(path)
    return head.rows, head.columns


def _header(path: Path) -> Header:
    with path.open("rb") as file:
        found = HEADER.match(file.read(LONGEST))
    if found is None or not 0 < int(found[4]) < 2**16:
        raise DataError(f"{path}: its header is broken; fetch it again, or set data.on_error=skip.")
    return Header(found[1] in b"23", 3 if found[1] in b"36" else 1, int(found[2]), int(found[3]), int(found[4]), found.end())
