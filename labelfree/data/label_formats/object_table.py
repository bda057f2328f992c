"""Tables with one object a row: an image, a class, and the corners of a box (or a corner, its width and its height)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from labelfree.data.columns import NAMES, columns_of
from labelfree.data.csv_text import Sheet
from labelfree.data.label_formats.listed import Drawn, ListedImage, Listing
from labelfree.data.label_formats.numbers import finite, size_of
from labelfree.data.label_formats.regions import Corners
from labelfree.data.label_tables import split_in
from labelfree.data.table_cells import MISSING, name_of
from labelfree.data.taken_rows import EVERY, Where, several_sets, taken_rows
from labelfree.errors import DataError

CORNERS = (("xmin", "ymin", "xmax", "ymax"), ("x1", "y1", "x2", "y2"), ("x0", "y0", "x1", "y1"), ("left", "top", "right", "bottom"))
SIZES = (
    ("x", "y", "w", "h"), ("x", "y", "width", "height"), ("xmin", "ymin", "width", "height"), ("left", "top", "width", "height"),
    ("bboxx", "bboxy", "bboxwidth", "bboxheight"),
)  # fmt: skip
WANTED = "a table of objects has the columns path, label, xmin, ymin, xmax, ymax, one object a row, in pixels"


def box_columns(header: Sequence[str]) -> tuple[tuple[int, ...], bool] | None:
    """The four columns of a box, and whether the last two are its size; None where a table holds no boxes."""
    plain = _plain(header)
    for sets, sized in ((CORNERS, False), (SIZES, True)):
        for names in sets:
            if all(name in plain for name in names):
                return tuple(plain.index(name) for name in names), sized
    return None


def read_object_table(file: Path, sheet: Sheet, label: str | None = None, where: Where = EVERY) -> Listing:
    """The images that a table names, each once. A row without a box says that its image was looked at: without other rows a negative.

    `label`: the column of classes, where its owner names it. `where`: column -> what must stand in it. What the first row of an image says
    of its split, group and size holds; one that says another is a fault. Raises `DataError` where the columns of images or of classes are
    not there, and for a split that is none.
    """
    found = box_columns(sheet.header)
    assert found is not None
    at, sized = found
    path = _column(file, sheet.header, "path")
    if label is None:
        classes_at = _column(file, sheet.header, "label")
    else:
        classes_at = columns_of(file, sheet.header, [], lambda cell: False, label)[0]["label"]
    plain = _plain(sheet.header)
    width, height, split, group = (
        plain.index(word) if word in plain and plain.index(word) not in at else -1 for word in ("width", "height", "split", "group")
    )
    commas = _with_commas(sheet, at)
    rows = list(sheet.numbered())
    taken = taken_rows(file, sheet.header, rows, where)
    images: dict[str, ListedImage] = {}
    left: dict[str, ListedImage] = {}
    whole = _WholeImages(file)
    for number, cells in rows:
        name = _cell(cells, path)
        if not any(cell.strip() for cell in cells):
            continue
        if not name:
            raise DataError(f"{file.name} row {number}: no path.")
        if number not in taken:
            left.setdefault(name, ListedImage(name, f"{file.name} row {number} ({name})"))
            continue
        if name not in images:
            images[name] = ListedImage(name, f"{file.name} row {number} ({name})")
        image = images[name]
        size = size_of(finite(_cell(cells, width)), finite(_cell(cells, height)))
        whole.add(image, number, split_in(file, number, _cell(cells, split)), _cell(cells, group), size)
        texts, of = [_cell(cells, column) for column in at], name_of(_cell(cells, classes_at))
        at_row = f"row {number} ({of})" if of else f"row {number}"
        try:
            box = _box([text.replace(",", ".") for text in texts] if commas else texts, of, sized)
        except ValueError as error:
            image.faulty.append(f"{at_row} {error}")
            continue
        if box is not None:
            image.drawn.append(Drawn(of, box, at_row))
    boxes = [drawn.box for image in images.values() for drawn in image.drawn if drawn.box is not None]
    if not images:
        raise DataError(f"{file}: has a header and no rows.")
    if boxes and all(-1 <= corner <= 1 for box in boxes for corner in box):
        raise DataError(f"{file}: its boxes lie within one pixel, as if in shares of the picture's width and height; write pixels.")
    classes = {drawn.name for image in images.values() for drawn in image.drawn}
    notes = [f"{file.name}: one object a row, boxes in the columns {', '.join(sheet.header[column].strip() for column in at)}."]
    if several := several_sets(file, sheet.header, rows, [*at, path, classes_at], where):
        notes.append(several)
    return Listing(
        "a table of objects",
        list(images.values()),
        classes=tuple(sorted(classes)),
        faults=list(whole.faults.values()),
        notes=notes,
        rows_chosen=bool(where),
        left=[image for name, image in left.items() if name not in images],
    )


def _box(texts: Sequence[str], of: str, sized: bool) -> Corners | None:
    """The corners in a row; None where neither a box nor a class `of` stands in it. Raises `ValueError` with the end of a sentence."""
    if not any(texts):
        if of:
            raise ValueError("has no box")
        return None
    values = [finite(text) for text in texts]
    if None in values:
        raise ValueError(f"has {texts[values.index(None)]!r} where a number is meant")
    if not of:
        raise ValueError("has a box and no class")
    x0, y0, x1, y1 = (value or 0.0 for value in values)
    return (x0, y0, x0 + x1, y0 + y1) if sized else (x0, y0, x1, y1)


class _WholeImages:
    """What rows say of whole images: the first word holds, another one is a fault. `faults`: a sentence an image and kind of word."""

    def __init__(self, file: Path) -> None:
        self.faults: dict[tuple[str, str], str] = {}
        self._file = file
        self._said: dict[tuple[str, str], tuple[str, int]] = {}  # image and kind of word -> the word, and the number of its row

    def add(self, image: ListedImage, number: int, split: str, group: str, size: tuple[int, int] | None) -> None:
        """One row. An empty word says nothing."""
        image.split, image.group, image.size = image.split or split, image.group or group, image.size or size
        for kind, word in (("split", split), ("group", group), ("size", f"{size[0]} x {size[1]}" if size else "")):
            key = image.name, kind
            first, row = self._said.setdefault(key, (word, number)) if word else ("", number)
            if first != word:
                where = f"{self._file.name} row {number} ({image.name})"
                self.faults.setdefault(key, f"{where}: {kind} {word}, and row {row} says {first}; an image has one, give it the same.")


def _plain(header: Sequence[str]) -> list[str]:
    return [re.sub(r"[\W_]+", "", name).lower() for name in header]


def _column(file: Path, header: Sequence[str], word: str) -> int:
    plain = _plain(header)
    for name in (word, *NAMES[word]):
        if name in plain and name != "y":
            return plain.index(name)
    raise DataError(f"{file}: has columns of boxes and no column `{word}`; {WANTED}.")


def _cell(cells: Sequence[str], at: int) -> str:
    """A cell without blanks around it; empty too where a word stands for nothing, or the column is not there."""
    text = cells[at].strip() if 0 <= at < len(cells) else ""
    return "" if text in MISSING else text


def _with_commas(sheet: Sheet, at: Sequence[int]) -> bool:
    """Whether numbers are written 10,50, as where cells stand apart by semicolons."""
    texts = [_cell(cells, column) for cells in sheet.lines for column in at]
    return sheet.separator != "," and any(re.fullmatch(r"-?\d+,\d+", text) for text in texts) and not any("." in text for text in texts)
