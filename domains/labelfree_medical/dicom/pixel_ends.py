"""Whether a file holds all of the pixels that its header promises: told from lengths, without reading them."""

from __future__ import annotations

import os
import struct
from typing import Any, BinaryIO

from labelfree_medical.dicom.elements import text, whole

PIXELS = {0x7FE00008: 32, 0x7FE00009: 64, 0x7FE00010: 0}  # float, double, and integers of as many bits as the header says
LONG_TYPES = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"UN")
UNDEFINED = 0xFFFFFFFF
ITEM, END = 0xFFFEE000, 0xFFFEE0DD


def pixel_fault(file: BinaryIO, dataset: Any) -> str | None:
    """What is wrong with the pixels that start where `file` stands, after its header was read; None: all are there."""
    little = dataset.original_encoding[1] is not False
    order, size = "<" if little else ">", os.fstat(file.fileno()).st_size
    head = file.read(8)
    if len(head) < 8:
        return "ends before its pixels begin"
    group, number, kind, short = struct.unpack(f"{order}HH2sH", head)
    tag = group << 16 | number
    if tag not in PIXELS:
        return "holds no pixels"
    length = short
    if dataset.original_encoding[0]:
        length = struct.unpack(f"{order}I", head[4:])[0]
    elif kind in LONG_TYPES:
        length = struct.unpack(f"{order}I", file.read(4).ljust(4, b"\0"))[0]
    start = file.tell()
    if length == UNDEFINED:
        return _fragments_fault(file, size, order, max(1, whole(dataset, "NumberOfFrames")))
    return length_fault(min(length, size - start), dataset, PIXELS[tag]) or ("ends before its pixels do" if start + length > size else None)


def length_fault(length: int, dataset: Any, bits: int = 0) -> str | None:
    """Whether `length` bytes of uncompressed pixels are too few for the header. `bits`: of a number, 0: as the header says."""
    samples = max(1, whole(dataset, "SamplesPerPixel"))
    subsampled = samples == 3 and text(dataset, "PhotometricInterpretation") == "YBR_FULL_422"
    count = whole(dataset, "Rows") * whole(dataset, "Columns") * max(1, whole(dataset, "NumberOfFrames"))
    expected = count * (2 if subsampled else samples) * (bits or whole(dataset, "BitsAllocated")) // 8
    if expected == 0:
        return "says nothing of the size of its pixels"
    return "ends before its pixels do" if length < expected else None


def _fragments_fault(file: BinaryIO, size: int, order: str, frames: int) -> str | None:
    """Whether the items of compressed pixels end as they should: one of offsets first, then one or more a frame, then an end."""
    items = 0
    while True:
        head = file.read(8)
        if len(head) < 8:
            return "ends before its pixels do"
        group, number, length = struct.unpack(f"{order}HHI", head)
        tag = group << 16 | number
        if tag == END:
            return "holds fewer frames than its header says" if items - 1 < frames else None
        if tag != ITEM or length == UNDEFINED or file.tell() + length > size:
            return "ends before its pixels do"
        items += 1
        file.seek(length, os.SEEK_CUR)
