"""Tables that grow by a row an image and are found again after an interruption."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from labelfree.domain import Row
from labelfree.progress import Progress

TABLE, SKIPPED = "predictions.csv", "skipped.csv"
UNFINISHED = "predictions.making.csv"
REASONS = ("path", "reason")  # columns of SKIPPED
EVERY = 64  # rows between two times that a table is surely on disk


class Growing:
    """A table that rows are appended to; they are on disk when it is left, whatever made it be left."""

    def __init__(self, file: Path) -> None:
        self.stream = file.open("a", newline="", encoding="utf-8")
        self.lines = csv.writer(self.stream, lineterminator="\n")
        self.waiting = 0

    def append(self, row: Sequence[object]) -> None:
        self.lines.writerow(row)
        self.waiting += 1
        if self.waiting == EVERY:
            self._sync()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._sync()
        self.stream.close()

    def _sync(self) -> None:
        self.stream.flush()
        os.fsync(self.stream.fileno())
        self.waiting = 0


def begun(file: Path, header: Sequence[str]) -> set[str]:
    """What the rows of an unfinished table begin with; a last line that was cut off is taken away. A new one gets its header."""
    if not file.is_file():
        keep(file, header)
        return set()
    whole = file.read_bytes()
    end = whole.rfind(b"\n") + 1
    if end < len(whole):
        with file.open("rb+") as stream:
            stream.truncate(end)
    with file.open(newline="", encoding="utf-8") as text:
        rows = csv.reader(text)
        next(rows, None)
        return {row[0] for row in rows if row}


def fill(out: Path, header: Sequence[str], rows: Sequence[Row], say: Progress, answer: Callable[[Row], Sequence[object] | str]) -> int:
    """A row of `out`'s unfinished table for each image that it lacks: its id, then what `answer` gives for the other columns of `header`.

    Where that is a sentence, the image stands in SKIPPED instead, which is there only if any does. Returns how many do.
    """
    part, aside = out / UNFINISHED, out / SKIPPED
    done = begun(part, header) | begun(aside, REASONS)
    left = [row for row in rows if row.id not in done]
    if done:
        say.say(f"{out}: {len(done):,} of {len(rows):,} images are there already.")
    for row in say.track(left, "predicting", len(left)):
        told = answer(row)
        if isinstance(told, str):
            keep(aside, [row.id, told])
        else:
            keep(part, [row.id, *told])
    skipped = len(begun(aside, REASONS))
    if not skipped:
        aside.unlink()
    return skipped


def keep(file: Path, row: Sequence[object]) -> None:
    """Append one row."""
    with Growing(file) as table:
        table.append(row)


def number(value: float) -> str:
    """Seven figures, as single precision has."""
    return f"{value:.7g}"
