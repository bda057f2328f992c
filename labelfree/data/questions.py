"""Questions asked of images in words, each with its answer: a table with the columns path, question and answer, several rows an image."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from labelfree.data.csv_text import sheet_of
from labelfree.data.label_formats.listed import ListedImage
from labelfree.data.label_formats.matching import match_rows
from labelfree.errors import DataError
from labelfree.samples import Row

USUAL = "questions.csv"  # beside the manifest
COLUMNS = {
    "path": ("path", "image", "file", "filename", "filepath", "image_path"),
    "question": ("question",),
    "answer": ("answer",),
}  # fmt: skip


@dataclass
class AskedImage(ListedImage):
    """An image that a table of questions names, and what is asked of it."""

    questions: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Asked:
    """`rows` with what is asked of their images, sentences for the log, and what is wrong with the table, one sentence each. None quotes a
    question or an answer.
    """

    rows: list[Row]
    notes: tuple[str, ...]
    faults: tuple[str, ...]


def with_questions(source: Path, rows: Sequence[Row], root: Path) -> Asked:
    """The rows with the questions and answers that a table has of their images.

    Raises DataError naming the file, and the row where one is at fault, or where it names no image that is there.
    """
    images, empty, faults = _read(source)
    files, unmatched = match_rows(images, rows, root)
    of_path = {path: tuple(images[place].questions) for place, path in files.items()}
    if not any(of_path.values()):
        first = f": {unmatched[0]}" if unmatched else "."
        raise DataError(f"data.questions: {source} asks nothing of any image under {root}{first}")
    asked = [pair for pairs in of_path.values() for pair in pairs]
    count, answers = sum(map(bool, of_path.values())), len({normal(answer) for _, answer in asked})
    left = f"; {empty:,} have no answer and are left out." if empty else "."
    notes = [f"{source.name}: {len(asked):,} questions of {count:,} images, {answers:,} different answers{left}"]
    faults += unmatched
    if faults:
        notes.append(f"{source.name}: {len(faults):,} faults, which `labelfree data check` names; the first: {faults[0]}")
    return Asked([replace(row, questions=of_path.get(row.path, row.questions)) for row in rows], tuple(notes), tuple(faults))


def write_questions(folder: Path, asked: Iterable[tuple[str, Iterable[tuple[str, str]]]]) -> Path:
    """`questions.csv` in a folder: of each path its questions with their answers."""
    with (folder / USUAL).open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        writer.writerows((path, *pair) for path, pairs in asked for pair in pairs)
    return folder / USUAL


def normal(text: str) -> str:
    """By which two answers are the same: without case, and with single blanks."""
    return " ".join(text.casefold().split())


def _read(source: Path) -> tuple[list[AskedImage], int, list[str]]:
    """Images in the order in which they are named first, how many questions have no answer, and sentences on broken rows."""
    try:
        sheet = sheet_of(source, source.read_bytes())
    except OSError as error:
        raise DataError(f"data.questions: {source} cannot be read ({error.strerror or error}); name a table with {_wanted()}.") from error
    names = [name.strip().casefold() for name in sheet.header]
    at = {key: next((names.index(name) for name in known if name in names), -1) for key, known in COLUMNS.items()}
    if lacking := [key for key, place in at.items() if place < 0]:
        raise DataError(f"{source}: has no column {' and '.join(map(repr, lacking))}; a table of questions has {_wanted()}.")
    images, empty, faults = dict[str, AskedImage](), 0, list[str]()
    for number, cells in sheet.numbered():
        if not any(cell.strip() for cell in cells):
            continue
        path, question, answer = (cells[place].strip() if place < len(cells) else "" for place in at.values())
        where = f"{source.name} row {number}"
        if not path or not question:
            faults.append(f"{where}: has no {'path' if not path else 'question'}; write one, or remove the row.")
        elif not answer:
            empty += 1
        else:
            images.setdefault(path, AskedImage(path, where)).questions.append((question, answer))
    return list(images.values()), empty, faults


def _wanted() -> str:
    return f"the columns {', '.join(COLUMNS)}"
