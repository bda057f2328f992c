"""CSV as people keep it (any usual separator, encoding and end of line), read into cells that can be written again in the same form."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from labelfree.errors import DataError

UTF16 = (b"\xff\xfe", b"\xfe\xff")
SPREADSHEET = "cp1252"  # what one on Windows writes


@dataclass
class Sheet:
    """The cells of a CSV and how it was written. `above`: blank lines before the header. `declared`: begins with `sep=`, for Excel."""

    header: list[str]
    lines: list[list[str]] = field(default_factory=list)
    separator: str = ","
    above: int = 0
    declared: bool = False
    encoding: str = "utf-8"
    newline: str = "\n"

    @property
    def first(self) -> int:
        """The number that a spreadsheet shows beside the first line after the header."""
        return 2 + self.above

    def numbered(self) -> Iterator[tuple[int, list[str]]]:
        """Each line with the number that a spreadsheet shows beside it."""
        return enumerate(self.lines, start=self.first)

    def written(self) -> bytes:
        """The file's content. What Windows wrote in its own code page becomes UTF-8 with the mark by which Excel knows it."""
        stream = io.StringIO(newline="")
        stream.write(f"sep={self.separator}{self.newline}" * self.declared + self.newline * self.above)
        csv.writer(stream, delimiter=self.separator, lineterminator=self.newline).writerows([self.header, *self.lines])
        return stream.getvalue().encode("utf-8-sig" if self.encoding == SPREADSHEET else self.encoding)


def sheet_of(file: Path, raw: bytes, faults: list[str] | None = None) -> Sheet:
    """The cells of what `file` holds. Raises `DataError` naming the row that has more cells than the header, or an open quote.

    `faults`: takes the sentences on rows of too many cells, which are then left out and the rest is read.
    """
    encoding = encoding_of(raw)
    _require_one_encoding(file, raw, encoding)
    try:
        text = raw.decode(encoding, errors="replace" if encoding == SPREADSHEET else "strict")
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: is cut off or no text; save it as CSV in UTF-8.") from error
    end = re.search(r"\r?\n", text)
    declared = re.match(r'"?sep=(.)"?\r?\n', text, re.IGNORECASE)  # for Excel, which shows the header as row 1
    text = text[declared.end() :] if declared else text
    blank = re.match(r"\s*\n|", text)
    above, text = (blank[0].count("\n"), text[blank.end() :]) if blank else (0, text)
    separator = declared[1] if declared else max(",;\t|", key=text.partition("\n")[0].count)
    header, *lines = _lines(file, text, separator) or [[]]
    if lines and all(len(line) == len(header) + 1 and line[0] == str(number) for number, line in enumerate(lines, start=1)):
        lines = [line[1:] for line in lines]  # R writes numbers of rows, and no header above them
    sheet = Sheet(header, lines, separator, above, declared is not None, encoding, end[0] if end else "\n")
    for number, cells in sheet.numbered():
        if any(cell.strip() for cell in cells[len(header) :]):
            fault = f"{file.name} row {number}: {len(cells)} cells, the header has {len(header)}; quote cells that hold {separator!r}."
            if faults is None:
                raise DataError(fault)
            faults.append(fault)
            cells.clear()  # a blank line, so that the others keep their numbers
    return sheet


def _require_one_encoding(file: Path, raw: bytes, encoding: str) -> None:
    """Raises `DataError` naming the first row that is no UTF-8 where most of those beyond ASCII are: read as a spreadsheet's, all others
    would be garbled.
    """
    if encoding != SPREADSHEET:
        return
    beyond = [(number, line) for number, line in enumerate(raw.splitlines(), start=1) if not line.isascii()]
    broken = [number for number, line in beyond if encoding_of(line) == SPREADSHEET]
    if 2 * len(broken) < len(beyond):
        raise DataError(f"{file.name} line {broken[0]}: is no UTF-8, which the rest of the file is; write that line again.")


def encoding_of(raw: bytes) -> str:
    """UTF-8 with or without its mark, UTF-16, or what a spreadsheet on Windows writes."""
    if raw.startswith(UTF16):
        return "utf-16"
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return SPREADSHEET
    return "utf-8-sig" if raw.startswith(b"\xef\xbb\xbf") else "utf-8"


def _lines(file: Path, text: str, separator: str) -> list[list[str]]:
    """Cells line by line. Raises `DataError` for a quote that is never closed: all behind it would become one cell."""
    lines: list[list[str]] = []
    try:
        lines.extend(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    except csv.Error as error:
        if "unexpected end" in str(error) or "field larger" in str(error):
            raise DataError(f'{file.name} row {len(lines) + 1}: a quote (") is opened and never closed; close it.') from error
        first = len(lines) + 1
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))  # quotes within a cell are no fault
        for number, cells in enumerate(lines[first - 1 :], start=first):
            if any(separator in cell.partition("\n")[2] for cell in cells):
                raise DataError(
                    f'{file.name} row {number}: a quote (") opens a cell that goes on over the rows below; close it there, and write a '
                    'quote within a cell twice ("").'
                ) from error
    return lines
