"""An index on disk: its card, which says by what it was made, and Parquet parts, which are whole or absent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from labelfree.data.our_folders import INDEX_CARD
from labelfree.data.paths import same_file
from labelfree.domain import Place, Row, Size, Window, as_size
from labelfree.errors import DataError
from labelfree.pipeline.vectors import COLUMNS, known_columns
from labelfree.training.files import call_with, read_json, write_json

VECTORS, PARTS = "vectors", "part-*.parquet"  # the folder of parts, nothing else lies in it, so that others read it as one table
FORMAT = 1
WHERE = ("file", "key", "window", "remote")  # columns that tell where an image is, beside those of `embed`
LEFT_OUT = b"labelfree.left_out"  # in a part's metadata: images that were read with those of the part and hold nothing
Outline = tuple[float, ...] | None  # as a place has it


@dataclass(frozen=True)
class IndexCard:
    """By what an index was made; whoever adds to it or asks it must agree.

    `checkpoint`: digest of the weights, `weights`: where they were. `dtype`: of the vectors on disk, float16 or float32. `domain`,
    `reader`: how its images are read. `tile`: pixels of the parts that images were cut into, None: as they come.
    """

    checkpoint: str
    weights: str
    architecture: str
    dim: int
    dtype: str
    domain: str
    reader: dict[str, Any] = field(default_factory=dict)
    tile: Size | None = None
    format: int = FORMAT


@dataclass(frozen=True)
class Entry:
    """What an index knows of one vector: the row that its domain reads, and longitude and latitude of its middle and its four corners."""

    row: Row
    outline: Outline = None


class IndexFolder:
    """An index in a folder. Rows are numbered in the order of its parts."""

    def __init__(self, path: Path, card: IndexCard) -> None:
        self.path, self.card = path, card
        self.parts = sorted((path / VECTORS).glob(PARTS))
        self.starts = np.cumsum([0, *(_footer(part).metadata.num_rows for part in self.parts)])

    @classmethod
    def open(cls, path: Path) -> IndexFolder:
        """Raises DataError for a folder that holds none."""
        try:
            told = read_json(path / INDEX_CARD)
            if told["format"] > FORMAT:
                raise ValueError(f"its format is {told['format']}, this version reads up to {FORMAT}")
            tile = None if told["tile"] is None else as_size(told["tile"])
            return cls(path, IndexCard(**{**told, "tile": tile}))
        except (FileNotFoundError, NotADirectoryError):
            raise DataError(f"{path}: holds no index ({INDEX_CARD}); make one with `labelfree index`.") from None
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path / INDEX_CARD}: not an index that this version of labelfree reads ({error}).") from error

    @classmethod
    def begin(cls, path: Path, card: IndexCard) -> IndexFolder:
        """A new one, without a row."""
        path.mkdir(parents=True, exist_ok=True)
        write_json(path / INDEX_CARD, asdict(card))
        return cls(path, card)

    def __len__(self) -> int:
        return int(self.starts[-1])

    def append(self, rows: Sequence[Row], outlines: Sequence[Outline], vectors: np.ndarray, left_out: Sequence[str]) -> None:
        """One more part. `vectors`: (n, D) of length one. `left_out`: images that need not be read again, as `where_is` calls them."""
        ids = "\n".join([*map(where_is, rows), *left_out])
        part = self.path / VECTORS / PARTS.replace("*", f"{len(self.parts):06d}-{hashlib.blake2b(ids.encode(), digest_size=4).hexdigest()}")
        table = _table(self.card, rows, outlines, vectors).replace_schema_metadata({LEFT_OUT: json.dumps(list(left_out))})
        texts = [*COLUMNS, *WHERE]
        call_with(part, lambda file: parquet.write_table(table, file, compression="zstd", use_dictionary=texts, write_statistics=texts))
        self.parts.append(part)
        self.starts = np.append(self.starts, self.starts[-1] + len(rows))

    def known(self) -> set[str]:
        """Images that need not be read again, as `where_is` calls them: parts that are in the index, and what these are parts of."""
        seen = set[str]()
        for part in self.parts:
            file = _footer(part)
            seen.update(json.loads((file.schema_arrow.metadata or {}).get(LEFT_OUT, b"[]")))
            columns = file.read(list(WHERE)).to_pydict()
            for path, key, window, remote in zip(*(columns[name] for name in WHERE), strict=True):
                where = remote or same_file(Path(path))
                seen |= {_called(where, key, ""), _called(where, key, window)}
        return seen

    def blocks(self) -> Iterator[np.ndarray]:
        """The vectors of each part in turn, (n, D) as they are stored."""
        for part in self.parts:
            column = _footer(part).read(["vector"])["vector"]
            for chunk in column.chunks:
                yield chunk.flatten().to_numpy(zero_copy_only=False).reshape(-1, self.card.dim)

    def entries(self, numbers: Sequence[int]) -> list[Entry]:
        """What is known of rows, in their order."""
        known = dict[int, Entry]()
        parts = np.searchsorted(self.starts, np.asarray(numbers, np.int64), side="right") - 1
        for part in np.unique(parts).tolist():
            wanted = [number for number, of in zip(numbers, parts.tolist(), strict=True) if of == part]
            table = _footer(self.parts[part]).read([*COLUMNS, *WHERE, "outline"], use_threads=False)  # few rows: threads cost more
            told = table.take([number - int(self.starts[part]) for number in wanted]).to_pylist()
            known |= {number: _entry(fields) for number, fields in zip(wanted, told, strict=True)}
        return [known[number] for number in numbers]


def where_is(row: Row) -> str:
    """What tells an image, or a part of one, from all others, whichever folder it was found from."""
    return _called(row.remote or same_file(row.path), row.key, str(row.window or ""))


def outline_of(place: Place | None) -> Outline:
    """Of a place that its domain has located, where it is known."""
    return None if place is None else place.outline


def _called(where: str, key: str, window: str) -> str:
    return "\n".join((where, key, window))


def _footer(part: Path) -> parquet.ParquetFile:
    try:
        return parquet.ParquetFile(part)
    except (OSError, pa.ArrowException) as error:
        way = "remove it, and `labelfree index` embeds its images again"
        raise DataError(f"{part}: a part of the index that cannot be read ({error}); {way}.") from error


def _table(card: IndexCard, rows: Sequence[Row], outlines: Sequence[Outline], vectors: np.ndarray) -> pa.Table:
    number = pa.float16() if card.dtype == "float16" else pa.float32()
    vector = pa.list_(pa.field("element", number, nullable=False), card.dim)  # read in half the time where none may be missing
    where = [
        [row.path.as_posix() for row in rows],
        [row.key for row in rows],
        [str(row.window or "") for row in rows],
        [row.remote for row in rows],
    ]
    told = [pa.array(column, pa.string()) for column in (*known_columns(rows), *where)]
    flat = pa.array(np.ascontiguousarray(vectors, card.dtype).ravel())
    columns = [*told, pa.array(outlines, pa.list_(pa.float64())), pa.FixedSizeListArray.from_arrays(flat, type=vector)]
    names = [pa.field(name, pa.string()) for name in (*COLUMNS, *WHERE)]
    fields = [*names, pa.field("outline", pa.list_(pa.float64())), pa.field("vector", vector, nullable=False)]
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def _entry(fields: dict[str, Any]) -> Entry:
    told = {name: fields[name] for name in ("label", "group", "remote")}
    window = Window.of(fields["window"])
    row = Row(fields["path"], Path(fields["file"]), split=fields["split"] or "", key=fields["key"], window=window, **told)
    return Entry(row, None if fields["outline"] is None else tuple(fields["outline"]))
