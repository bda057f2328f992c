"""Rows of a manifest with what a source of captions says of their images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from labelfree.data.captions.told import CaptionedImage, Told
from labelfree.data.label_formats.matching import Images, match_rows
from labelfree.errors import DataError
from labelfree.samples import Row


def captioned(told: Told, source: Path, rows: Sequence[Row], root: Path) -> tuple[list[Row], list[str], list[str]]:
    """The rows with their captions, sentences for the log, and what is wrong with the source, one sentence each. None quotes a caption.

    Raises `DataError` where the source names no image that is there.
    """
    listed, spare = _meant(told, rows, root) if told.spare else (told.images, 0)
    files, unmatched = match_rows(listed, rows, root)
    of_path = {path: listed[place].captions for place, path in files.items()}
    if not any(of_path.values()):
        first = f": {unmatched[0]}" if unmatched else "."
        raise DataError(f"data.captions: {source} says nothing of any image under {root}{first}")
    captions = [caption for said in of_path.values() for caption in said]
    images = sum(map(bool, of_path.values()))
    notes = [
        f"{source.name}: {told.form}, {len(captions):,} captions of {images:,} images, {len(set(captions)):,} of them different"
        + (f"; {told.empty:,} are empty and left out." if told.empty else ".")
    ]
    if spare:
        notes.append(f"{source.name}: {spare:,} text files belong to no image and are not read.")
    faults = [*told.faults, *unmatched]
    if faults:
        notes.append(f"{source.name}: {len(faults):,} faults, which `labelfree data check` names; the first: {faults[0]}")
    return [replace(row, captions=of_path.get(row.path, row.captions)) for row in rows], notes, faults


def _meant(told: Told, rows: Sequence[Row], root: Path) -> tuple[list[CaptionedImage], int]:
    """The texts that belong to an image, or may to several, and the number of others. Where one stands in its image's own folder all do: a
    text whose image is gone is then not another folder's of the same name.
    """
    images = Images(dict.fromkeys(row.path for row in rows if row.path.is_relative_to(root)), root)
    closest = [images.closest(image) for image in told.images]
    beside = any(candidate.closeness[0] for found in closest for candidate in found)
    kept = [
        image
        for image, found in zip(told.images, closest, strict=True)
        if len(found) > 1 or any(candidate.closeness[0] >= beside for candidate in found)
    ]
    return kept, len(told.images) - len(kept)
