"""Rows of a manifest with what a source of captions says of their images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from labelfree.data.captions.told import Told
from labelfree.data.label_formats.matching import Images, match
from labelfree.errors import DataError
from labelfree.samples import Row


def captioned(told: Told, source: Path, rows: Sequence[Row], root: Path) -> tuple[list[Row], list[str], list[str]]:
    """The rows with their captions, sentences for the log, and what is wrong with the source, one sentence each. None quotes a caption.

    Raises `DataError` where the source names no image that is there.
    """
    files, unmatched = match(told.images, Images(dict.fromkeys(row.path for row in rows if row.path.is_relative_to(root)), root))
    of_path = {path: told.images[place].captions for place, path in files.items()}
    if not any(of_path.values()):
        first = f": {unmatched[0]}" if unmatched else "."
        raise DataError(f"data.captions: {source} says nothing of any image under {root}{first}")
    captions = [caption for said in of_path.values() for caption in said]
    images = sum(map(bool, of_path.values()))
    notes = [
        f"{source.name}: {told.form}, {len(captions):,} captions of {images:,} images, {len(set(captions)):,} of them different"
        + (f"; {told.empty:,} are empty and left out." if told.empty else ".")
    ]
    if told.spare and unmatched:
        notes.append(f"{source.name}: {len(unmatched):,} text files belong to no image and are not read.")
    faults = [*told.faults, *([] if told.spare else unmatched)]
    if faults:
        notes.append(f"{source.name}: {len(faults):,} faults, which `labelfree data check` names; the first: {faults[0]}")
    return [replace(row, captions=of_path.get(row.path, row.captions)) for row in rows], notes, faults
