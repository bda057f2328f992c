"""What a person said of images, and the plain table it stands in: their own lines, columns and separator stay as they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from labelfree.data.columns import columns_of
from labelfree.data.csv_text import SPREADSHEET, Sheet
from labelfree.data.label_tables import PARQUETS, read_sheet
from labelfree.data.table_cells import names_in, plain_text
from labelfree.errors import DataError

SKIPPED, UNSURE = "skipped", "unsure"
STATES = ("", SKIPPED, UNSURE)


class Answer(NamedTuple):
    """What was said of one image: its class, or why it has none. Neither: nothing was said."""

    label: str = ""
    state: str = ""


NOTHING = Answer()


@dataclass(frozen=True)
class Words:
    """What a table calls an image: `identity` tells which image a cell names, `cell` is how a new line names it, `holds` whether it is one.

    `extra`: image -> what further columns say of it, for new lines; `columns`: these columns in order. `carried`: images that nobody is
    asked about and that the table names all the same.
    """

    identity: Callable[[str], str]
    cell: Callable[[str], str] = lambda identity: identity
    extra: Callable[[str], Mapping[str, str]] = lambda identity: {}
    columns: tuple[str, ...] = ()
    carried: tuple[str, ...] = ()
    holds: Callable[[str], bool] = lambda cell: False


class AnswerSheet:
    """A table of labels whose lines are found by image, and changed one at a time. `has_labels`: it came with a column of them.

    Raises `DataError` naming the row where the table is broken, names an image twice, or has a column `state` that says something else.
    """

    def __init__(self, file: Path, sheet: Sheet, words: Words) -> None:
        self.sheet, self.words = sheet, words
        header = [name.strip() for name in sheet.header]
        cells = [[plain_text(cell) for cell in line] for line in sheet.lines]
        positions, _ = columns_of(file, header, cells, words.holds)
        self.has_labels = "label" in positions
        there = {name: header.index(name) for name in header}
        self.path, self.label = positions["path"], self._column(header, positions.get("label"), "label")
        self.extra = {name: self._column(header, there.get(name), name) for name in words.columns}
        self.state = self._column(header, there.get("state"), "state")
        self.lines: dict[str, int] = {}
        for at, (number, line) in enumerate(sheet.numbered()):
            if not any(cell.strip() for cell in line):
                continue
            line.extend([""] * (len(sheet.header) - len(line)))
            name = _text(line[self.path])
            if not name:
                raise DataError(f"{file.name} row {number}: no path.")
            if _text(line[self.state]) not in STATES:
                raise DataError(
                    f"{file.name} row {number}: `state` is {_text(line[self.state])!r}, and is kept for skipped and unsure; rename it."
                )
            identity = words.identity(name)
            before = self.lines.setdefault(identity, at)
            if before != at:
                raise DataError(f'{file.name} rows {before + sheet.first} and {number}: both name "{name}"; keep one.')
        labels, _ = names_in([_text(sheet.lines[at][self.label]) for at in self.lines.values()])
        self.answers = {
            identity: Answer(label) if label else Answer("", _text(sheet.lines[at][self.state]))  # a label written in by hand counts
            for (identity, at), label in zip(self.lines.items(), labels, strict=True)
        }

    def _column(self, header: list[str], position: int | None, name: str) -> int:
        """The position of a column, which is put behind the others where the table lacks it."""
        if position is not None:
            return position
        header.append(name)
        self.sheet.header.append(name)
        return len(header) - 1

    def put(self, identity: str, answer: Answer | None) -> None:
        """Say `answer` of an image; None: as if nobody had been asked, so a line goes that holds nothing else."""
        before = self.answers.get(identity)
        if answer is None and before is None:
            return
        at = self.lines.setdefault(identity, len(self.sheet.lines))
        if at == len(self.sheet.lines):
            self.sheet.lines.append([""] * len(self.sheet.header))
        if answer is not None and before in (None, NOTHING):
            self.sheet.lines[at] = self._with(identity, self.sheet.lines[at])
        line = self.sheet.lines[at]
        line[self.label], line[self.state] = answer or NOTHING
        self.answers[identity] = answer or NOTHING
        if answer is None and [cell.strip() for cell in line] == self._with(identity, [""] * len(line)):
            del self.sheet.lines[at], self.lines[identity], self.answers[identity]
            self.lines = {other: place - (place > at) for other, place in self.lines.items()}

    def carry(self) -> None:
        """Add a line for each image that the table is to name whatever is answered."""
        for identity in self.words.carried:
            if identity not in self.lines:
                self.put(identity, NOTHING)

    def _with(self, identity: str, line: list[str]) -> list[str]:
        """The line, with what is known of the image where it says nothing."""
        known = {self.path: self.words.cell(identity), **{self.extra[name]: text for name, text in self.words.extra(identity).items()}}
        return [cell if cell.strip() else known.get(at, "") for at, cell in enumerate(line)]


def _text(cell: str) -> str:
    return plain_text(cell) or ""


def read_answers(file: Path, words: Words) -> AnswerSheet:
    """The answers in a table, whatever form people keep it in; of a file that is not there none. Raises as `AnswerSheet` does."""
    if file.suffix.lower() in PARQUETS:
        raise DataError(f"{file}: answers are written as CSV; name a file that ends in .csv.")
    if not file.exists():
        return AnswerSheet(file, Sheet(["path", "label"]), words)
    if not file.is_file():
        raise DataError(f"{file}: is a folder; name the table in it.")
    sheet = read_sheet(file) if file.stat().st_size else Sheet(["path", "label"])
    if sheet.encoding == SPREADSHEET and any("\ufffd" in cell for line in sheet.lines for cell in line):
        raise DataError(f"{file}: is in an encoding that nobody can tell; save it as CSV in UTF-8.")
    return AnswerSheet(file, sheet, words)
