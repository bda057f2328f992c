"""Labelled images of a set brought onto their own pixels: how large each is read, what is drawn on it, and what is wrong with any."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from labelfree.data.content import file_mark
from labelfree.data.label_formats.annotated import AnnotatedImage, Placing
from labelfree.data.label_formats.listed import ListedImage
from labelfree.data.pool import read_sample
from labelfree.data.threads import in_order
from labelfree.domain import Domain, KnowsFrames, ReadsUpright, Row, Sample
from labelfree.errors import DataError

T = TypeVar("T")


def outcomes(rows: Sequence[Row], found: Iterable[T | DataError]) -> tuple[dict[str, T], list[str]]:
    """What came of each row by its id, and sentences on those that cannot be read."""
    good, faults = dict[str, T](), list[str]()
    for row, outcome in zip(rows, found, strict=True):
        if isinstance(outcome, DataError):
            faults.append(str(outcome))
        else:
            good[row.id] = outcome
    return good, faults


def frame_of(row: Row, domain: Domain, read: Callable[[Row], Sample]) -> Sample:
    """The size and place of what is read of a row, of which a domain may spare the channels. Raises `DataError` where it cannot be read."""
    known = domain.frame(row) if isinstance(domain, KnowsFrames) and row.item is None else None
    sample = known or read_sample(read, row)
    if isinstance(sample, DataError):
        raise sample
    return sample


def size_of(row: Row, domain: Domain, read: Callable[[Row], Sample]) -> tuple[int, int] | DataError:
    """(height, width) of what is read of a row."""
    if row.window is not None and len(row.window.size) == 2:
        return row.window.height, row.window.width
    try:
        return plane(row, frame_of(row, domain, read))
    except DataError as error:
        return error


def plane(row: Row, sample: Sample) -> tuple[int, int]:
    """(height, width) of a sample. Raises `DataError` for a volume."""
    size = tuple(sample.data.shape[1:])
    if len(size) != 2:
        raise DataError(f"{row.called}: has {len(size)} axes, and objects are drawn on pictures; give it a mask.")
    return size[0], size[1]


def placing_on(domain: Domain | None) -> Placing:
    """What brings drawings onto images as the domain reads them."""
    return Placing(upright=isinstance(domain, ReadsUpright) and domain.upright)


def placed(placing: Placing, row: Row, size: tuple[int, int]) -> AnnotatedImage:
    """What is drawn on a listed row of this size."""
    assert isinstance(row.listed, ListedImage)
    image = placing.image(row.id, row.path, row.listed, lambda path: size, row.window)
    return image if image.size is not None else AnnotatedImage(row.id, row.path, image.state, size)


def placed_images(
    rows: Sequence[Row], domain: Domain, read: Callable[[Row], Sample]
) -> tuple[dict[str, AnnotatedImage], Placing, list[str]]:
    """What is drawn on listed rows, by their ids; what was noticed meanwhile; and sentences on those that cannot be read."""
    sizes, unread = outcomes(rows, in_order(lambda row: size_of(row, domain, read), rows))
    placing = placing_on(domain)
    return {row.id: placed(placing, row, sizes[row.id]) for row in rows if row.id in sizes}, placing, unread


def labels_digest(rows: Iterable[Row], meaning: object) -> str:
    """Identity of masks and drawings of some rows, and of what they are taken for."""
    seen = hashlib.blake2b(repr(meaning).encode(), digest_size=8)
    for row in rows:
        content = row.listed.digest if row.mask is None and row.listed is not None else f"{row.mask} {file_mark(Path(str(row.mask)))}"
        content += "".join(f" {file.name} {file_mark(file)}" for file in row.mask_files)
        seen.update(f"{row.id}\n{row.window}\n{content}\n".encode())
    return seen.hexdigest()
