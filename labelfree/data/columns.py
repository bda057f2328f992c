"""Which column of a table is which: our words, the names that other tools give them, and a proposal where neither is there."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from labelfree.data.structure import SPLITS
from labelfree.errors import DataError

# Our word -> what other tools call it, the most telling first; compared without capitals, blanks and signs.
NAMES: dict[str, tuple[str, ...]] = {
    "path": (
        "imagepath", "imgpath", "filepath", "imagefilepath", "imagefile", "imagefilename", "imgfile", "filename", "imagename", "imgname",
        "image", "img", "file", "imageid", "imgid", "fileid",
    ),
    "label": (
        "classname", "labelname", "categoryname", "classlabel", "imagelabel", "class", "category", "labels", "classes", "categories",
        "target", "classid", "labelid", "categoryid", "y",
    ),
    "mask": ("maskpath", "maskfile", "maskfilename"),
    "boxes": ("boxespath", "boxesfile"),
    "text": ("caption", "captions", "sentence", "sentences", "report", "title"),
    "group": (),
    "split": ("subset", "partition", "datasplit", "datasetsplit", "set"),
    "place": (),
    "date": (),
    "chosen": (),
}  # fmt: skip
GROUPS = {
    "lot",
    "lotid",
    "lotnumber",
    "batch",
    "batchid",
    "batchnumber",
    "charge",
    "los",
    "part",
    "partid",
    "partnumber",
    "teil",
    "serial",
    "serialnumber",
    "wafer",
    "patient",
    "patientid",
    "subject",
    "subjectid",
    "specimen",
    "specimenid",
}  # what columns are called, without signs, that say what belongs together
RUN_LENGTHS = {"encodedpixels", "rle", "rlemask", "maskrle"}
TASKS = ("label", "mask", "boxes", "text")


def columns_of(
    file: Path, header: Sequence[str], rows: Sequence[Sequence[str | None]], exists: Callable[[str], bool], label: str | None = None
) -> tuple[dict[str, int], list[str]]:
    """Our word -> its column, and sentences on columns that could have been meant. `label`: the column that its owner named.

    Raises `DataError` where no column names the images: it says what was found, what is expected and what is likely meant.
    """
    plain = _plain(header)
    columns: dict[str, int] = {}
    notes = []
    for word in NAMES:
        meant = called(word, header, rows)
        if meant:
            columns[word] = meant[0]
        if len(meant) > 1 and plain[meant[0]] != word:
            notes.append(f"{file.name}: `{header[meant[0]]}` is read as {word}, not {_quoted([header[at] for at in meant[1:]])}.")
    if label is not None:
        columns["label"] = _label_column(file, header, label)
    if "mask" not in columns and (runs := next((header[at] for at, name in enumerate(plain) if name in RUN_LENGTHS), None)):
        way = "save the masks as PNG and name them in a column `mask`, or export COCO"
        raise DataError(f"{file}: its column `{runs}` holds run lengths of masks, which are not read from a table; {way}.")
    if "path" not in columns:
        raise DataError(_no_path(file, header, rows, exists, columns.get("label")))
    if not any(word in columns for word in TASKS) and "chosen" not in columns:  # what was chosen gets its labels yet
        likely = _likely_label(rows, set(columns.values()))
        if likely is not None:
            notes.append(f"{file.name}: no column `label`; `{header[likely]}` may hold the classes: say data.label_field={header[likely]}.")
    if "mask" in columns and "label" not in columns:
        notes += _without_mask(file, header, rows, columns)
    if "group" not in columns and "place" not in columns:
        notes += _may_group(file, header, plain, rows)
    return columns, notes


def _without_mask(file: Path, header: Sequence[str], rows: Sequence[Sequence[str | None]], columns: Mapping[str, int]) -> Iterator[str]:
    """A sentence on rows of a table of masks that name none: nobody can tell whether nothing is wrong there or nobody looked."""
    at = columns["mask"]
    count = sum(at >= len(row) or not row[at] for row in rows if any(row))
    if 0 < count < len(rows):
        told = _told_apart(rows, at, set(columns.values()))
        field = (
            "" if told is None else f"say data.label_field={header[told[0]]} data.normal={told[1]} if that means that nothing is wrong, or "
        )
        yield f"{file.name}: {count:,} rows without a mask count as unlabelled; {field}name empty masks."


def _told_apart(rows: Sequence[Sequence[str | None]], mask: int, taken: set[int]) -> tuple[int, str] | None:
    """The column that holds one word in all rows without a mask and others in those with one, and that word."""
    for at in range(max(map(len, rows), default=0)):
        with_mask, without = (
            {row[at] or "" for row in rows if max(at, mask) < len(row) and bool(row[mask]) is masked} for masked in (True, False)
        )
        if at not in taken and len(without) == 1 and all(without) and with_mask and with_mask.isdisjoint(without):
            return at, str(*without)
    return None


def called(word: str, header: Sequence[str], rows: Sequence[Sequence[str | None]]) -> list[int]:
    """The columns that are called by our word or as other tools call it, the most telling first."""
    plain = _plain(header)
    return [plain.index(name) for name in (word, *NAMES[word]) if name in plain and _may_be(word, name, plain, rows)]


def _plain(header: Sequence[str]) -> list[str]:
    return [re.sub(r"[\W_]+", "", name).lower() for name in header]


def _may_group(file: Path, header: Sequence[str], plain: Sequence[str], rows: Sequence[Sequence[str | None]]) -> list[str]:
    """A sentence on a column that is called by what belongs together, and holds the same again and again."""
    for at, name in enumerate(plain):
        counts = Counter(_cells(rows, at))
        if name in GROUPS and 1 < len(counts) <= counts.total() / 2:
            return [f"{file.name}: no column `group`; `{header[at]}` may say which images belong together: call it `group` then."]
    return []


def _may_be(word: str, name: str, plain: Sequence[str], rows: Sequence[Sequence[str | None]]) -> bool:
    """Whether a column of that name can be meant: `y` beside `x` is a coordinate, a `set` that is no split something else."""
    if name == "y":
        return "x" not in plain
    if name == "title":
        return "filepath" in plain  # open_clip's
    if word == "split" and name != word:
        at = plain.index(name)
        return all((row[at] or "").lower() in SPLITS for row in rows if at < len(row))
    return True


def _label_column(file: Path, header: Sequence[str], label: str) -> int:
    names = [name.strip() for name in header]
    if label in names:
        return names.index(label)
    near = difflib.get_close_matches(label, names, 1)
    hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(filter(None, names))}."
    raise DataError(f"data.label_field: {file.name} has no column {label!r}; {hint}")


def _no_path(
    file: Path, header: Sequence[str], rows: Sequence[Sequence[str | None]], exists: Callable[[str], bool], label: int | None
) -> str:
    sentence = f"{file}: no column `path` (found: {', '.join(filter(None, header)) or 'nothing'})"
    paths = [at for at in range(len(header)) if any(exists(cell) for cell in _cells(rows, at)[:20])]
    label = _likely_label(rows, set(paths)) if label is None else label
    if paths and exists(header[paths[0]]):
        return f"{file}: its first line names an image already; put a line `path,label` (what each column holds) above it."
    likely = [f"`{header[paths[0]]}` names images, so call it `path`"] if paths else []
    likely += [f"`{header[label]}` may hold the classes, so call it `label`"] if label is not None and header[label] != "label" else []
    sentence += "; a table of labels has the columns `path` (an image's file) and `label` (its class)"
    return f"{sentence}{': ' if likely else ''}{', and '.join(likely)}."


def _likely_label(rows: Sequence[Sequence[str | None]], taken: set[int]) -> int | None:
    """The column whose few values come again and again, words before numbers."""
    few: list[tuple[bool, int, int]] = []
    for at in range(max(map(len, rows), default=0)):
        counts = Counter(_cells(rows, at))
        if at not in taken and 1 < len(counts) <= max(2, counts.total() / 2):
            few.append((all(cell.replace(".", "").isdigit() for cell in counts), len(counts), at))
    return min(few)[2] if few else None


def _cells(rows: Sequence[Sequence[str | None]], at: int) -> list[str]:
    return [cell for row in rows if at < len(row) and (cell := row[at])]


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
