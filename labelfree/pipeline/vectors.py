"""Vectors of all images of a folder in one table, for search, clusters and plots elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
from torch import Tensor

from labelfree.backbones.weights import LoadedBackbone
from labelfree.data.pool import MOST_EMPTY, read_in_order
from labelfree.data.windows import in_windows, lenient
from labelfree.domain import Row, Sample, extent_of
from labelfree.errors import DataError
from labelfree.planning.recognition import field_of
from labelfree.planning.survey import changed
from labelfree.progress import Progress
from labelfree.recipe import Data
from labelfree.recipe_file import Overrides
from labelfree.training.files import whole_file

ROWS = 512  # of a group in the file: what stands in memory
COLUMNS = ("path", "label", "group", "split")


def write_vectors(
    folder: Path, encoder: LoadedBackbone, out: Path, domain: str | None, overrides: Overrides, say: Progress
) -> tuple[int, list[str]]:
    """A Parquet table with a row an image: path, label, group, split, and `vector` (D,) float32. Scenes have a row a window.

    Returns the number of rows, and sentences on images that are empty, or could not be read where data.on_error=skip lets them be.
    Raises DataError for the first that cannot be read or has other channels than the weights expect; no file is left then.
    """
    if out.exists():
        raise DataError(f"{out}: is there already; name a new file.")
    recipe = changed(Data(root=folder.absolute()), overrides, domain or encoder.card.domain, say.say)
    told = {key: value for key, value in recipe.reader.items() if value is not None}
    field = field_of(recipe.data, {**encoder.card.reader, **told}, domain or encoder.card.domain, sure=False)
    field.manifest.require_usable(recipe.data.on_error)
    rows = in_windows(field.manifest.rows, lenient(extent_of(field.domain)), tell=say.say)
    skipped = list(field.manifest.faults.values())
    schema = pa.schema([*((name, pa.string()) for name in COLUMNS), ("vector", pa.list_(pa.float32(), encoder.dim))])
    written = 0
    with whole_file(out) as part, parquet.ParquetWriter(part, schema) as file:
        read = _read(say.track(rows, "embedding images", len(rows)), field.domain.read, recipe.data.on_error == "skip", skipped)
        while True:
            rows_of_part = list[Row]()  # noted as their images pass, which are never held together
            vectors = encoder.embed(_noted(islice(read, ROWS), rows_of_part))
            if not rows_of_part:
                break
            file.write_table(_table(schema, rows_of_part, vectors))
            written += len(rows_of_part)
        if not written:
            raise DataError(f"{folder}: no image could be read, the first: {skipped[0]}" if skipped else f"{folder}: holds no image.")
    return written, skipped


def _noted(read: Iterable[tuple[Row, Sample]], rows: list[Row]) -> Iterator[Sample]:
    for row, sample in read:
        rows.append(row)
        yield sample


def _read(rows: Iterable[Row], read: Callable[[Row], Sample], skip: bool, skipped: list[str]) -> Iterator[tuple[Row, Sample]]:
    """Each row with its image; empty ones are noted in `skipped`, and those that cannot be read too, or raised."""
    for row, sample in read_in_order(read, rows):
        if isinstance(sample, Sample) and sample.empty > MOST_EMPTY:
            skipped.append(f"{row.called}: holds a measurement in less than half of its pixels.")
        elif isinstance(sample, Sample):
            yield row, sample
        elif skip:
            skipped.append(str(sample))
        else:
            raise sample


def _table(schema: pa.Schema, rows: Sequence[Row], vectors: Tensor) -> pa.Table:
    known = [[row.id for row in rows], *([getattr(row, name) or None for row in rows] for name in COLUMNS[1:])]
    flat = pa.array(vectors.numpy().ravel())
    return pa.Table.from_arrays([*map(pa.array, known), pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])], schema=schema)
