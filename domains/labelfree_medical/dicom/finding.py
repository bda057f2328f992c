"""Which files are DICOM: told by their first bytes, never by their names (the last number of a UID is no extension)."""

from __future__ import annotations

import gzip
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

HEAD = 144  # bytes that tell
PREAMBLE = 128
ENDINGS = {".dcm", ".dicom", ".dic", ".ima"}
VALUE_TYPES = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OW PN SH SL SQ SS ST TM UC UI UL UN UR US UT".split())
LONGEST = 1 << 12  # bytes of a first element: an identifier, a character set or a time
LOOKED_AT = 10  # members of an archive
ARCHIVES = {".zip", ".tar", ".tgz", ".gz"}
# Broken archives, and those that ask for a password or hold what Python does not unpack.
UNREADABLE = (OSError, EOFError, ValueError, RuntimeError, NotImplementedError, zlib.error, zipfile.BadZipFile, tarfile.TarError)


def has_preamble(head: bytes) -> bool:
    """Whether the first bytes are those of a DICOM file by part 10 of the standard."""
    return head[PREAMBLE : PREAMBLE + 4] == b"DICM"


def looks_like_dicom(head: bytes) -> bool:
    """Whether the first `HEAD` bytes start a DICOM file, with its preamble or without (planning systems write such)."""
    return has_preamble(head) or _starts_elements(head)


def is_dicom(path: Path) -> bool:
    """Whether a file starts as DICOM does, whatever its name; no for one that cannot be opened."""
    try:
        with path.open("rb") as file:
            return looks_like_dicom(file.read(HEAD))
    except OSError:
        return False


def _starts_elements(head: bytes) -> bool:
    """Whether two elements of groups 2 or 8 stand at the start, in rising order: text and other binary files do not begin so."""
    for little in (True, False):
        first = _element(head, 0, little)
        if first is None:
            continue
        tag, after = first
        second = _element(head, after, little) if after + 8 <= len(head) else (tag + 1, 0)
        if second is not None and second[0] > tag:
            return True
    return False


def _element(head: bytes, at: int, little: bool) -> tuple[int, int] | None:
    """The tag of the element at a place and where the next one stands; None where no element of groups 2 or 8 can stand there."""
    if len(head) < at + 8:
        return None
    order = "<" if little else ">"
    group, number = struct.unpack_from(f"{order}HH", head, at)
    kind = head[at + 4 : at + 6]
    if group not in (2, 8) or number > 0x2300:
        return None
    if kind in VALUE_TYPES:
        length, start = struct.unpack_from(f"{order}H", head, at + 6)[0], at + 8
        if kind in (b"OB", b"SQ", b"UN", b"UT", b"UC", b"UR"):
            length, start = (struct.unpack_from(f"{order}I", head, at + 8)[0] if len(head) >= at + 12 else 0), at + 12
    elif little:  # values without a type are little endian always
        length, start = struct.unpack_from("<I", head, at + 4)[0], at + 8
    else:
        return None
    return (group << 16 | number, start + length) if length <= LONGEST and length % 2 == 0 else None


def is_archive(path: Path) -> bool:
    """Whether a file may hold others, by its ending."""
    return path.suffix.lower() in ARCHIVES and not path.name.lower().endswith(".nii.gz")


def holds_dicom(archive: Path) -> bool:
    """Whether an archive has DICOM among its first members."""
    try:
        return any(map(looks_like_dicom, _beginnings(archive)))
    except UNREADABLE:
        return False


def _beginnings(archive: Path) -> Iterator[bytes]:
    """The first bytes of an archive's members."""
    if archive.suffix.lower() == ".zip":
        with zipfile.ZipFile(archive) as file:
            for member in islice((member for member in file.infolist() if not member.is_dir()), LOOKED_AT):
                with file.open(member) as content:
                    yield content.read(HEAD)
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive) as tar:
            for entry in islice((entry for entry in tar if entry.isfile()), LOOKED_AT):
                inside = tar.extractfile(entry)
                yield inside.read(HEAD) if inside is not None else b""
    elif archive.suffix.lower() == ".gz":
        with gzip.open(archive) as content:
            yield content.read(HEAD)


def without_ending(path: Path) -> bool:
    """Whether a file's name has no ending, as on the discs of patients; the last number of a UID is none."""
    return not path.suffix.strip(".0123456789")


def named_like_dicom(path: Path) -> bool:
    """Whether a file should be DICOM by its ending."""
    return path.suffix.lower() in ENDINGS
