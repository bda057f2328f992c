"""Tables that people keep their labels in: CSV (any usual separator and encoding) and Parquet, read into plain records."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, NoReturn

from labelfree.errors import DataError

COLUMNS = ("path", "label", "mask", "boxes", "text", "group", "split", "place", "date")
SYNONYMS = {"image": "path", "file": "path", "filename": "path", "filepath": "path", "class": "label"}
UTF16 = (b"\xff\xfe", b"\xfe\xff")
SPLITS = {
    "": "", "pretrain": "pretrain", "unlabelled": "pretrain", "unlabeled": "pretrain", "train": "train", "training": "train",
    "dev": "dev", "val": "dev", "valid": "dev", "validation": "dev", "test": "test",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Record:
    """One line of a table. `number` is what a spreadsheet shows: the header is row 1. Empty cells are None."""

    number: int
    path: str
    label: str | None = None
    mask: str | None = None
    boxes: str | None = None
    text: str | None = None
    group: str | None = None
    split: str = ""
    place: str | None = None
    date: str | None = None


def read_table(file: Path) -> list[Record]:
    """All records of a CSV or Parquet table; columns that labelfree has no word for are ignored.

    Raises `DataError` naming the file, and the row where one is at fault.
    """
    if not file.is_file():
        raise DataError(f"data.labels: {file} {'is a folder; name the table in it' if file.is_dir() else 'does not exist'}.")
    cells = _parquet(file) if file.suffix.lower() in (".parquet", ".pq") else _csv(file)
    records = [_record(file, number, row) for number, row in enumerate(cells, start=2) if any(row.values())]
    if not records:
        raise DataError(f"{file}: has a header and no rows.")
    return records


def _record(file: Path, number: int, row: Mapping[str, str | None]) -> Record:
    path, split = row.get("path"), (row.get("split") or "").lower()
    if not path:
        raise DataError(f"{file.name} row {number}: no path.")
    if split not in SPLITS:
        raise DataError(f"{file.name} row {number}: split {split!r} is none of pretrain, train, dev, test (or empty).")
    others = {name: row.get(name) for name in ("label", "mask", "boxes", "text", "place")}
    group = row.get("group") or row.get("place")  # what shows one place stands on one side
    return Record(number, path, split=SPLITS[split], group=group, date=_date(file, number, row.get("date")), **others)


def _date(file: Path, number: int, text: str | None) -> str | None:
    """YYYY-MM-DD of a date, 20220701 or 2022-07-01, with or without a time."""
    if text is None:
        return None
    found = re.match(r"(\d{4})-?(\d\d)-?(\d\d)(?:[T ]|$)", text)
    try:
        return date(*map(int, found.groups())).isoformat() if found else _no_date(file, number, text)
    except ValueError:
        return _no_date(file, number, text)


def _no_date(file: Path, number: int, text: str) -> NoReturn:
    raise DataError(f"{file.name} row {number}: date {text!r} is none; write 2022-07-01.")


def _csv(file: Path) -> list[dict[str, str | None]]:
    raw = file.read_bytes()
    if raw.startswith(b"PK\x03\x04") or (b"\0" in raw[:1000] and not raw.startswith(UTF16)):
        raise DataError(f"{file}: is no CSV (a spreadsheet?); save it as CSV in UTF-8.")
    text = _decode(raw)
    first = text.partition("\n")[0]
    separator = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    header = _header(file, next(reader, []))
    rows = []
    for number, cells in enumerate(reader, start=2):
        if len(cells) > len(header):
            raise DataError(
                f"{file.name} row {number}: {len(cells)} cells, the header has {len(header)}; quote cells that hold {separator!r}."
            )
        rows.append({name: cell.strip() or None for name, cell in zip(header, cells, strict=False) if name})
    return rows


def _parquet(file: Path) -> list[dict[str, str | None]]:
    import pyarrow
    import pyarrow.parquet as parquet

    try:
        table = parquet.read_table(file)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{file}: not a Parquet table ({error}).") from error
    header = _header(file, table.column_names)
    return [{name: _cell(value) for name, value in zip(header, row.values(), strict=True) if name} for row in table.to_pylist()]


def _cell(value: Any) -> str | None:
    """A Parquet value as the text a CSV would hold; pandas turns whole numbers beside gaps into floats."""
    if value is None or value != value:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip() or None


def _decode(raw: bytes) -> str:
    if raw.startswith(UTF16):
        return raw.decode("utf-16")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace")  # what a spreadsheet on Windows writes


def _header(file: Path, names: list[str]) -> list[str | None]:
    """Our word for each column, None for columns that are not ours; an exact name wins over its synonym."""
    plain = [name.strip().lower() for name in names]
    words: list[str | None] = []
    for name in plain:
        ours = SYNONYMS.get(name, name)
        words.append(ours if ours in COLUMNS and (name == ours or ours not in plain) and ours not in words else None)
    if "path" not in words:
        raise DataError(f"{file}: no column `path` (found: {', '.join(names) or 'nothing'}).")
    return words
