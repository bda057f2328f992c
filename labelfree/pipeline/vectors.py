"""Vectors of all images of a folder in one table, for clusters and plots elsewhere; and what an index shares of how they are made."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as parquet
from torch import Tensor

from labelfree.backbones.weights import LoadedBackbone
from labelfree.data.pool import MOST_EMPTY, read_in_order
from labelfree.data.windows import in_windows, lenient
from labelfree.domain import Domain, Place, Row, Sample, extent_of
from labelfree.errors import DataError
from labelfree.planning.recognition import field_of
from labelfree.planning.survey import changed
from labelfree.progress import Progress
from labelfree.recipe import Data
from labelfree.recipe_file import Overrides
from labelfree.training.files import whole_file

ROWS = 512  # of a group in the file: what stands in memory
COLUMNS = ("path", "label", "group", "split")
Pair = tuple[Row, Sample]
LeaveOut = Callable[[Row, str | DataError], object]  # told of an image, and in a sentence why


@dataclass(frozen=True)
class FolderImages:
    """The images of a folder as weights want them read. `reader`: what `domain` was told; `asked`: what of that overrides said.

    `skip`: those that cannot be read are left out; `faults`: sentences on those that are known to be broken already.
    """

    domain: Domain
    rows: list[Row]
    reader: Mapping[str, Any]
    asked: Mapping[str, Any]
    skip: bool
    faults: tuple[str, ...]


def images_of(folder: Path, domain: str | None, reader: Mapping[str, Any], overrides: Overrides, say: Progress) -> FolderImages:
    """What `folder` holds, read by `domain` (None: the one that recognises it) and `reader`, unless `overrides` say otherwise.

    Raises RecipeError or DataError where there is nothing to read.
    """
    recipe = changed(Data(root=folder.absolute()), overrides, domain, say.say)
    asked = {key: value for key, value in recipe.reader.items() if value is not None}
    field = field_of(recipe.data, {**reader, **asked}, domain, sure=False)
    field.manifest.require_usable(recipe.data.on_error)
    told = {**reader, **asked, **{key: default.value for key, default in field.settled.items()}}
    faults = tuple(field.manifest.faults.values())
    return FolderImages(field.domain, list(field.manifest.rows), told, asked, recipe.data.on_error == "skip", faults)


class Embedded(NamedTuple):
    """Rows that went through the network one after the other, and their vectors (n, D). `places`: where each lies, as its file tells."""

    rows: list[Row]
    places: list[Place | None]
    vectors: Tensor


def embedded(
    images: Iterator[Sequence[Pair]], embed: Callable[[Iterable[Sample]], Tensor], most: int = ROWS, seconds: float = float("inf")
) -> Iterator[Embedded]:
    """The vectors of what is read of each image, in parts of `most` rows or of what `seconds` allow, which divide no image.

    Images come one after the other and are never held together.
    """
    while True:
        rows, places = list[Row](), list[Place | None]()
        vectors = embed(_noted(_some(images, most, time.monotonic() + seconds), rows, places))
        if not rows:
            return
        yield Embedded(rows, places, vectors)


def readable(rows: Iterable[Row], read: Callable[[Row], Sample], skip: bool, leave_out: LeaveOut) -> Iterator[Pair]:
    """Each row with its image. Where `skip`, `leave_out` is told of those that cannot be read; else the first is raised."""
    for row, sample in read_in_order(read, rows):
        if isinstance(sample, Sample):
            yield row, sample
        elif skip:
            leave_out(row, sample)
        else:
            raise sample


def measured(images: Iterable[Sequence[Pair]], leave_out: LeaveOut) -> Iterator[Sequence[Pair]]:
    """Of each image the parts that hold a measurement in half of their pixels; `leave_out` is told of images without one."""
    for pairs in images:
        kept = [pair for pair in pairs if pair[1].empty <= MOST_EMPTY]
        if kept:
            yield kept
        elif pairs:
            leave_out(pairs[0][0], f"{pairs[0][0].called}: holds a measurement in less than half of its pixels.")


def write_vectors(
    folder: Path, encoder: LoadedBackbone, out: Path, domain: str | None, overrides: Overrides, say: Progress
) -> tuple[int, list[str]]:
    """A Parquet table with a row an image: path, label, group, split, and `vector` (D,) float32. Scenes have a row a window.

    Returns the number of rows, and sentences on images that are empty, or could not be read where data.on_error=skip lets them be.
    Raises DataError for the first that cannot be read or has other channels than the weights expect; no file is left then.
    """
    if out.exists():
        raise DataError(f"{out}: is there already; name a new file.")
    images = images_of(folder, domain or encoder.card.domain or None, encoder.card.reader, overrides, say)
    rows = in_windows(images.rows, lenient(extent_of(images.domain)), tell=say.say)
    skipped = list(images.faults)
    schema = pa.schema([*((name, pa.string()) for name in COLUMNS), ("vector", pa.list_(pa.float32(), encoder.dim))])
    written = 0
    with whole_file(out) as part, parquet.ParquetWriter(part, schema) as file:
        tracked = say.track(rows, "embedding images", len(rows))

        def leave_out(row: Row, why: str | DataError) -> None:
            skipped.append(str(why))

        read = readable(tracked, images.domain.read, images.skip, leave_out)
        for some in embedded(measured(([pair] for pair in read), leave_out), encoder.embed):
            file.write_table(_table(schema, some.rows, some.vectors))
            written += len(some.rows)
        if not written:
            raise nothing_read(folder, skipped)
    return written, skipped


def nothing_read(folder: Path, skipped: Sequence[str]) -> DataError:
    """What to say of a folder that gave no vector."""
    return DataError(f"{folder}: no image could be read, the first: {skipped[0]}" if skipped else f"{folder}: holds no image.")


def known_columns(rows: Sequence[Row]) -> list[list[str | None]]:
    """What COLUMNS hold for these rows."""
    return [[row.id for row in rows], *([getattr(row, name) or None for row in rows] for name in COLUMNS[1:])]


def _some(images: Iterator[Sequence[Pair]], most: int, until: float) -> Iterator[Pair]:
    """What is read of the next images: until there are `most` rows, or a time is over; of at least one where there is any."""
    count = 0
    for pairs in images:
        yield from pairs
        count += len(pairs)
        if count >= most or time.monotonic() > until:
            return


def _noted(read: Iterable[Pair], rows: list[Row], places: list[Place | None]) -> Iterator[Sample]:
    for row, sample in read:
        rows.append(row)
        places.append(Place(sample.crs, sample.bounds) if sample.crs and sample.bounds else None)
        yield sample


def _table(schema: pa.Schema, rows: Sequence[Row], vectors: Tensor) -> pa.Table:
    flat = pa.array(vectors.numpy().ravel())
    columns = [*map(pa.array, known_columns(rows)), pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])]
    return pa.Table.from_arrays(columns, schema=schema)
