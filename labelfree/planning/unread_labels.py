"""Files in a folder of images that hold labels, or could, where nobody named any: told with what to type."""

from __future__ import annotations

import os
import shlex
from collections import defaultdict
from collections.abc import Iterator, Sequence, Set
from functools import cache
from pathlib import Path

from labelfree.data.label_formats.sources import FORMS, STATISTICS, Form, form_of
from labelfree.data.label_formats.yolo import is_text_of_labels
from labelfree.data.label_tables import cells_of, read_table
from labelfree.data.manifest import SPLITS_FILE
from labelfree.data.walk import Walk
from labelfree.domain import Row
from labelfree.errors import DataError
from labelfree.recipe import Data

FEW = 8  # files of a folder that are looked into until one is known
MOST = 100  # files in all
TABLES, TEXT = (".csv", ".tsv", ".parquet"), ".txt"
FEW_TEXTS, LOOKED_AT = 3, 20  # texts in a folder that may be tables; rows of a table


def unread_labels(data: Data, rows: Sequence[Row] = (), way: str = "--labels ") -> Iterator[str]:
    """A sentence without its stop on each table, and each file or folder of annotations, in the folder that is not read.

    Nothing where a file of labels, a card or splits.csv is. `rows`: its images, as far as known. `way`: what is typed before a name.
    """
    if data.root is None or data.labels is not None or data.card is not None or (data.root / SPLITS_FILE).is_file():
        return
    names = cache(lambda: frozenset(name for row in rows for name in (row.path.name, row.path.stem)))
    for table in _tables(data.root):
        name = table.relative_to(data.root).as_posix()
        try:
            read_table(table)
        except DataError as error:
            if _names_files(table, data.root, names()):
                yield f"{name} names images and is not read: {str(error).removeprefix(f'{table}: ').rstrip('.')}"
        else:
            yield f"{name} is not read; give it with {way}{shlex.quote(name)} if it holds the labels"
    products = {path for row in rows for path in (row.path, *(row.files or ()))}
    for place, form in _annotations(data.root, products):
        name = place.relative_to(data.root).as_posix() if place != data.root else str(place)
        what = "it" if place.is_file() else "the folder"
        kind, typed = (f"labels of {form.name}", way) if not form.key else (form.name, f"{form.key}=")
        yield f"{name} holds {kind} and is not read; give {what} with {typed}{shlex.quote(name)}"


def _tables(root: Path) -> Iterator[Path]:
    """What may be a table in the folder and those in it; of texts where a folder holds few: many are labels of an image each."""
    for folder in (root, *sorted(each for each in root.iterdir() if each.is_dir() and not each.name.startswith("."))):
        likely = [file for file in sorted(folder.iterdir()) if file.suffix.lower() in (*TABLES, TEXT) and not file.name.startswith(".")]
        few = sum(file.suffix.lower() == TEXT for file in likely) <= FEW_TEXTS
        yield from [file for file in likely if (few or file.suffix.lower() != TEXT) and file.is_file()][:FEW]


def _names_files(table: Path, root: Path, images: Set[str]) -> bool:
    """Whether cells of a table are called as images or as files beside it are, with or without their ending."""
    try:
        _, rows = cells_of(table)
    except DataError:
        return False
    cells = {cell.replace("\\", "/").rpartition("/")[2] for _, row in rows[:LOOKED_AT] for cell in row if cell}
    files = (file for folder in (root, table.parent) for file in folder.iterdir() if file != table)
    return not cells.isdisjoint(images) or any(file.name in cells or file.stem in cells for file in files)


def _annotations(root: Path, products: set[Path]) -> Iterator[tuple[Path, Form]]:
    """Files with labels of many images, and folders with a file an image (that around them all, where there are several), each with
    its format. `products`: images, whose folders are not gone into.
    """
    folders, whole = defaultdict[Form, list[Path]](list), set[Form]()
    left = MOST
    for folder, names in Walk(root, lambda inside: inside not in products):
        known = [name for name in names if Path(name).suffix.lower() in FORMS and not name.lower().endswith(STATISTICS)]
        for name in known[: min(FEW, left)]:
            left -= 1
            form = form_of(folder / name)
            if form is not None and form.each:
                folders[form].append(folder)
                break
            if form is not None:
                whole.add(form)
                yield folder / name, form
        if any(is_text_of_labels(folder / name) for name in names[:FEW]) and (form := form_of(folder)) is not None:
            folders[form].append(folder)
    for form, places in folders.items():
        if form not in whole:  # a file that tells of all of them is named
            yield Path(os.path.commonpath(places)), form
