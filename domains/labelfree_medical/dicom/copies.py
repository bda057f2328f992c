"""The same file again: exports hold slices twice, in two folders or under two names."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path

from labelfree_medical.dicom.elements import value_of
from labelfree_medical.dicom.headers import Header
from labelfree_medical.dicom.quiet import quiet_pydicom


def copies_among(headers: Sequence[Header]) -> dict[Path, Path]:
    """Files that hold what another file holds, by their paths, to the path of the one that is kept: the first by name that is whole.

    Told by SOPInstanceUID, or by series, place and marks, and then by the pixels: anonymisers give many files one UID. One UID and place in
    two transfer syntaxes is the same image, too.
    """
    groups: dict[Hashable, list[Header]] = {}
    for header in headers:
        for key in _keys(header):
            groups.setdefault(key, []).append(header)
    copies: dict[Path, Path] = {}
    for group in groups.values():
        kept: list[Header] = []
        for header in sorted((each for each in group if each.path not in copies), key=lambda each: (bool(each.fault), each.path)):
            original = next((other for other in kept if _same(header, other)), None) if len(group) > 1 else None
            if original is None:
                kept.append(header)
            else:
                copies[header.path] = original.path
    return copies


def _keys(header: Header) -> Iterable[Hashable]:
    if header.instance:
        yield header.instance, _place(header)
    if len(header.slices) == 1 and header.slices[0].placed:
        yield header.patient, header.study, header.series, _place(header), tuple(sorted(header.slices[0].marks.items()))


def _place(header: Header) -> Hashable:
    return tuple((each.position, each.orientation, each.rows, each.columns) for each in header.slices)


def _same(one: Header, other: Header) -> bool:
    same_instance = one.instance != "" and one.instance == other.instance
    if same_instance and one.slices and one.slices[0].placed and (one.syntax != other.syntax or one.fault):
        return True
    return not one.fault and not other.fault and _pixels(one.path) == _pixels(other.path)


def _pixels(path: Path) -> bytes:
    """A digest of the stored pixels."""
    dataset = quiet_pydicom().dcmread(path, force=True, specific_tags=["PixelData"])
    return hashlib.sha256(value_of(dataset, "PixelData") or str(path).encode()).digest()
