"""Tables that people keep their labels in: CSV (any usual separator and encoding) and Parquet, read into plain records."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, NoReturn

from labelfree.data.columns import columns_of
from labelfree.data.csv_text import UTF16, Sheet, sheet_of
from labelfree.data.structure import SPLITS
from labelfree.data.table_cells import as_written, caption_parts, captions_in, listed_text, missing_note, names_in, plain_text, spelled
from labelfree.data.taken_rows import EVERY, Where, several_sets, taken_rows
from labelfree.errors import DataError

TEXTS = {".csv", ".tsv", ".txt", ".tab", ".psv", ".dat", ".data", ".lst", ".list", ""}
PARQUETS = {".parquet", ".pq"}
KINDS = (
    "give a CSV or Parquet table with the columns `path` and `label`, or a vector file (GeoPackage, Shapefile, GeoJSON, FlatGeobuf, KML, "
    "GeoParquet) of shapes on images with coordinates"
)


@dataclass(frozen=True, slots=True)
class Record:
    """One line of a table. `number` is what a spreadsheet shows: the header is row 1. Empty cells are None."""

    number: int
    path: str
    label: str | None = None
    mask: str | None = None
    boxes: str | None = None
    captions: tuple[str, ...] = ()
    group: str | None = None
    split: str = ""
    place: str | None = None
    date: str | None = None
    chosen: str | None = None


@dataclass(frozen=True)
class Table:
    """`records`: the lines that are taken. `left`: the others. `notes`: sentences on what was taken for what. `several`: that of them
    which says that several sets stand in one table, else "".
    """

    records: list[Record]
    notes: tuple[str, ...] = ()
    left: tuple[Record, ...] = ()
    several: str = ""


Cells = list[tuple[int, list[str | None]]]  # number of each row, and its cells


def read_table(file: Path) -> list[Record]:
    """The records of `open_table`."""
    return open_table(file).records


def open_table(file: Path, exists: Callable[[str], bool] | None = None, label: str | None = None, where: Where = EVERY) -> Table:
    """The records of a CSV or Parquet table; columns that labelfree has no word for are ignored.

    `exists`: whether a cell names an image, by default one beside the table. `label`: the column of labels, where its owner names it.
    `where`: column -> what must stand in it.
    Raises `DataError` naming the file, and the row where one is at fault.
    """
    if not file.is_file():
        raise DataError(f"data.labels: {file} {'is a folder; name the table in it' if file.is_dir() else 'does not exist'}.")
    header, rows = cells_of(file)
    positions, notes = columns_of(
        file, header, [cells for _, cells in rows], exists or (lambda cell: (file.parent / cell).is_file()), label
    )
    columns: dict[str, list[str | None]] = {}
    for word, at in positions.items():
        cells = [row[at] if at < len(row) else None for _, row in rows]
        columns[word], missing = (cells, Counter[str]()) if word in ("path", "text") else names_in(map(as_written, cells))
        if word == "label" and missing:
            notes.append(f"{file.name}: {missing_note(missing, word)}")
    numbered = [(number, {word: column[index] for word, column in columns.items()}) for index, (number, _) in enumerate(rows)]
    records = [_record(file, number, row) for number, row in numbered if any(row.values())]
    taken = taken_rows(file, header, rows, where)
    left = tuple(record for record in records if record.number not in taken)
    records = [record for record in records if record.number in taken]
    if "text" in columns:
        said = [part for number, row in numbered if number in taken for part in caption_parts(row["text"] or "")]
        notes += [f"{file.name}: {said.count(''):,} captions are empty and left out."] if "" in said and any(said) else []
        records = _by_image(records)
    if not records:
        raise DataError(f"{file}: has a header and no rows.")
    if "label" in columns and not any(columns["label"]):
        notes.append(f"{file.name}: `{header[positions['label']]}` is empty in all {len(records):,} rows, so no image has a label.")
    several = several_sets(file, header, rows, positions.values(), where)
    return Table(records, (*notes, *([several] if several else [])), left, several)


def _record(file: Path, number: int, row: Mapping[str, str | None]) -> Record:
    path, split = row.get("path"), split_in(file, number, row.get("split") or "")
    if not path:
        raise DataError(f"{file.name} row {number}: no path.")
    others = {name: row.get(name) for name in ("label", "mask", "boxes", "place", "chosen")}
    captions = captions_in(row.get("text") or "")
    group = row.get("group") or row.get("place")  # what shows one place stands on one side
    return Record(number, path, captions=captions, split=split, group=group, date=_date(file, number, row.get("date")), **others)


def _by_image(records: list[Record]) -> list[Record]:
    """One record an image where a table has one caption a row: those of a path that say the same besides become one."""
    joined = dict[str, Record]()
    for record in records:
        name = spelled(record.path)
        first = joined.setdefault(name, record)
        if first is not record:
            if replace(record, number=first.number, captions=first.captions, path=first.path) != first:
                return records  # who names an image twice for another reason is told so
            joined[name] = replace(first, captions=(*first.captions, *record.captions))
    return list(joined.values())


def split_in(file: Path, number: int, text: str) -> str:
    """The split that a cell of row `number` names, by our word for it."""
    if text.lower() not in SPLITS:
        raise DataError(f"{file.name} row {number}: split {text.lower()!r} is none of pretrain, train, dev, test (or empty).")
    return SPLITS[text.lower()]


def _date(file: Path, number: int, text: str | None) -> str | None:
    """YYYY-MM-DD of a date, 20220701 or 2022-07-01, with or without a time."""
    if text is None:
        return None
    match = re.match(r"(\d{4})-?(\d\d)-?(\d\d)(?:[T ]|$)", text)
    try:
        return date(*map(int, match.groups())).isoformat() if match else _no_date(file, number, text)
    except ValueError:
        return _no_date(file, number, text)


def _no_date(file: Path, number: int, text: str) -> NoReturn:
    raise DataError(f"{file.name} row {number}: date {text!r} is none; write 2022-07-01.")


def read_sheet(file: Path, faults: list[str] | None = None) -> Sheet:
    """The cells of a CSV as they stand in it. Raises `DataError` for what is none, and as `sheet_of` does; `faults` as there."""
    raw = file.read_bytes()
    if raw.startswith(b"PK\x03\x04") or (b"\0" in raw[:1000] and not raw.startswith(UTF16)):
        raise DataError(f"{file}: is no CSV (a spreadsheet?); save it as CSV in UTF-8, or {KINDS}.")
    if file.suffix.lower() not in TEXTS:
        raise DataError(f"{file}: is of no kind that is read; {KINDS}.")
    return sheet_of(file, raw, faults)


def parquet_columns(file: Path) -> list[str]:
    """The names of a Parquet table's columns; none of what is none, which `open_table` says."""
    import pyarrow
    import pyarrow.parquet as parquet

    try:
        return list(parquet.read_schema(file).names)
    except (pyarrow.ArrowException, OSError):
        return []


def parquet_sheet(file: Path) -> Sheet:
    """A Parquet table as a CSV of it would stand. Raises `DataError` for what is none."""
    header, rows = _parquet(file)
    return Sheet(header, [[as_written(cell) or "" for cell in cells] for _, cells in rows])


def cells_of(file: Path, faults: list[str] | None = None) -> tuple[list[str], Cells]:
    """The names of a table's columns and its cells, lists as `listed_text` has them. `faults`: as `sheet_of` has it."""
    return _parquet(file) if file.suffix.lower() in PARQUETS else _csv(file, faults)


def _csv(file: Path, faults: list[str] | None) -> tuple[list[str], Cells]:
    sheet = read_sheet(file, faults)
    width = len(sheet.header)
    return [name.strip() for name in sheet.header], [(number, [*map(plain_text, cells[:width])]) for number, cells in sheet.numbered()]


def _parquet(file: Path) -> tuple[list[str], Cells]:
    import pyarrow
    import pyarrow.parquet as parquet

    try:
        table = parquet.read_table(file)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{file}: not a Parquet table ({error}).") from error
    columns = [[_cell(value) for value in column.to_pylist()] for column in table.columns]
    return list(table.column_names), [(number, list(row)) for number, row in enumerate(zip(*columns, strict=True), start=2)]


def _cell(value: Any) -> str | None:
    return listed_text(value) if isinstance(value, list) else plain_text(value)
