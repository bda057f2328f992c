"""select.csv: the images chosen, in the order to label them, as a table that `label` shows and that `data.labels` takes."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from labelfree.data.our_folders import SELECTION_FILES
from labelfree.domain import Row
from labelfree.training.files import write_text

COLUMNS = ("path", "group", "split", "chosen", "reason")


def write_table(folder: Path, rows: Iterable[tuple[Row, str]]) -> Path:
    """Write rows with their reasons; returns the file. UTF-8, lines end in a line feed alone on every system."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    table.writerows([row.id, row.group or "", row.split, row.chosen or "", reason] for row, reason in rows)
    file = folder / SELECTION_FILES[0]
    write_text(file, text.getvalue())
    return file
