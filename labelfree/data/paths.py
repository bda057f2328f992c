"""Files that a table names, found on disk: under the root, beside the table, by absolute path, or by a name without its ending."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from labelfree.data.label_tables import Record
from labelfree.data.named_images import NamedImages
from labelfree.data.windows import window_of, windowed
from labelfree.domain import Domain, ReadsRemote, Row
from labelfree.errors import DataError


class Finder:
    """Finds the files of one table. `images`: the images under the root, asked for only where a name has no ending.

    `named`: looks names up where the domain lists images itself.
    """

    def __init__(self, table: Path, root: Path, images: Callable[[], Sequence[Path]], named: NamedImages | None = None) -> None:
        self.table, self.root, self.named = table, root, named
        self._images = images

    def file(self, text: str) -> Path | None:
        """The file that a cell names; None where there is none. A name without folders or without its ending may lie anywhere.

        Raises `DataError` where it fits several.
        """
        slashed = text.replace("\\", "/")  # a list written on Windows; macOS splits an accent from its letter
        for name in dict.fromkeys((text, slashed, *(unicodedata.normalize(form, slashed) for form in ("NFC", "NFD")))):
            given = Path(name)
            for base in (Path(),) if given.is_absolute() else (self.root, self.table.parent):
                if _exists(base / given):
                    return base / given
        matches = self._shortened.get(unicodedata.normalize("NFC", slashed), [])
        if len(matches) > 1:
            shown = ", ".join(path.relative_to(self.root).as_posix() for path in matches[:3])
            raise DataError(f'{self.table.name}: "{text}" fits {shown}{", …" if len(matches) > 3 else ""}; write its folder and ending.')
        return matches[0] if matches else None

    def holds(self, text: str) -> bool:
        """Whether a cell names an image."""
        if self.named is not None and self.named.knows(text):
            return True
        return len(text) < 1000 and (self.file(text) is not None)

    def left_out(self, record: Record, path: Path | None) -> bool:
        """Whether a record names what the domain found and took for no image of the set."""
        return self.named is not None and self.named.left_out(record.path, path)

    def listed(self, record: Record, path: Path | None) -> list[Row]:
        """The rows that the domain lists under the name in a record. Raises `DataError` naming its row where that is not clear."""
        try:
            return self.named.of(record.path, path) if self.named is not None else []
        except DataError as error:
            raise DataError(f"{self.table.name} row {record.number}: {error}") from None

    def beside(self, cell: str | None, cut: int = 0) -> str | None:
        """A mask's or annotation's path as found; a cell that is no path (a class, a polygon) stays as it is.

        `cut`: how many folders paths begin with that are another machine's.
        """
        slashed = cell.replace("\\", "/") if cell else ""
        names = dict.fromkeys((cell, slashed, "/".join(slashed.split("/")[cut:]))) if cell and len(cell) < 1000 else ()
        files = (base / name for name in names for base in (self.root, self.table.parent) if (base / name).is_file())
        return str(next(files, cell)) if cell else None

    def identity(self, path: Path, otherwise: str) -> tuple[str, bool]:
        """The path relative to the root where it lies inside, else `otherwise`; and whether it lies outside."""
        try:
            return Path(same_file(path)).relative_to(same_file(self.root)).as_posix(), False
        except ValueError:
            return otherwise, True

    def without_beginning(self, texts: Sequence[str]) -> tuple[str, list[Path]] | None:
        """The files that paths of another machine name, once the folders they begin with are taken away, as many from each.

        With them what the first begins with; None where they are not all under the root then.
        """
        parts = [re.split(r"[\\/]+", text) for text in texts]
        for cut in range(1, min(map(len, parts)) if len(parts) > 1 else 1):  # one name alone is no evidence
            files = [self.root.joinpath(*names[cut:]) for names in parts if names[-1]]
            if len(set(files)) == len(set(texts)) and all(map(_exists, files)):  # else several would become one
                return "/".join(parts[0][:cut]) + "/", files
        return None

    def alike(self, text: str) -> str | None:
        """An image under the root whose name differs in capitals or its ending alone."""
        name = re.split(r"[\\/]+", text)[-1].lower()
        stem = name.rpartition(".")[0]
        namesakes = [path for path in self._images() if path.name.lower() == name or path.stem.lower() == stem]
        return min((path.relative_to(self.root).as_posix() for path in namesakes), default=None)

    @cached_property
    def _shortened(self) -> Mapping[str, list[Path]]:
        """Images by their path without its ending, and by their name alone with it and without."""
        images: dict[str, list[Path]] = defaultdict(list)
        for path in self._images():
            inside = path.relative_to(self.root).with_suffix("").as_posix()
            for name in {unicodedata.normalize("NFC", name) for name in (inside, path.stem, path.name)}:
                images[name].append(path)
        return images


def rows_of_records(records: Sequence[Record], finder: Finder, domain: Domain, inside: bool) -> tuple[list[Row], list[str]]:
    """Rows for a table's records, each path found on disk or an address that the domain reads; sentences on paths outside the root.

    `inside`: paths outside the root are refused.
    """
    table, root = finder.table, finder.root
    rows, first, outside = [], dict[str, Record](), 0
    elsewhere = domain.remote if isinstance(domain, ReadsRemote) else lambda text: False
    files = [Path(record.path) if elsewhere(record.path) else finder.file(record.path) for record in records]
    listed = [finder.listed(record, file) for record, file in zip(records, files, strict=True)]
    aside = {record.number for record, file in zip(records, files, strict=True) if finder.left_out(record, file)}
    missing = [
        record
        for record, file, known in zip(records, files, listed, strict=True)
        if file is None and not known and record.number not in aside
    ]
    notes, cut = [], 0
    if missing:
        shortened = finder.without_beginning([record.path for record in records]) if len(missing) == len(records) else None
        if shortened is None:
            raise _missing(missing, len(records), finder)
        files, cut = list(shortened[1]), shortened[0].count("/")
        listed = [finder.listed(record, file) for record, file in zip(records, files, strict=True)]
        notes.append(f"{table.name}: no path is there as it is written; without {shortened[0]} and the like all are, under {root}.")
    for record, path, image in _each(records, files, listed):
        if image is None and record.number in aside:
            continue
        remote = record.path if elsewhere(record.path) else None
        identity, is_outside = (record.path, True) if remote else finder.identity(path, Path(record.path.replace("\\", "/")).as_posix())
        if is_outside and inside:
            raise DataError(f'{table.name} row {record.number}: "{record.path}" leaves the data root {root}; a card\'s paths may not.')
        outside += is_outside
        before = first.setdefault(image.id if image is not None else remote or same_file(path), record)
        if before is not record:
            labels = f" with labels {before.label!r} and {record.label!r}" if before.label != record.label else ""
            raise DataError(f'{table.name} rows {before.number} and {record.number}: both name "{record.path}"{labels}; keep one.')
        mask, boxes = finder.beside(record.mask, cut), finder.beside(record.boxes, cut)
        known = {name: getattr(record, name) for name in ("label", "captions", "group", "split", "chosen", "place", "date")}
        said = {name: value for name, value in {**known, "mask": mask, "boxes": boxes, "remote": remote}.items() if value}
        row = replace(image if image is not None else Row(identity, path), **said)
        row = replace(row, mask_files=()) if mask else row  # the table chooses one
        part = None if remote or image is not None else window_of(path)
        if part is not None:
            row = windowed(replace(row, id=identity.rpartition("#")[0], path=part[0]), part[1])
        rows.append(row)
    twice = [identity for identity, n in Counter(row.id for row in rows).items() if n > 1]
    if twice:
        raise DataError(f"{table.name}: {twice[0]!r} stands both under {root} and beside the table; write one of them as an absolute path.")
    if aside:
        notes.append(f"{table.name}: {len(aside):,} of its rows name files that are no image of this set, and are not read.")
    if finder.named is not None and (spoken := finder.named.spoken(record.path for record in records)):
        notes.append(f"{table.name}: {spoken:,} of its rows name several images each, and what they say holds for all of these.")
    return rows, [*notes, *([f"{table.name}: {outside} of {len(rows)} paths lie outside the data root {root}."] if outside else [])]


def _each(
    records: Sequence[Record], files: Sequence[Path | None], listed: Sequence[Sequence[Row]]
) -> Iterator[tuple[Record, Path, Row | None]]:
    """Every record with its file, once for each row that the domain lists under its name."""
    for record, file, known in zip(records, files, listed, strict=True):
        if known:
            yield from ((record, row.path, row) for row in known)
        elif file is not None:
            yield record, file, None


def same_file(path: Path) -> str:
    """The path made comparable without following links (`resolve` would): a linked image belongs to the folder it is listed in."""
    return os.path.normcase(os.path.abspath(path))  # noqa: PTH100


def _missing(records: Sequence[Record], count: int, finder: Finder) -> DataError:
    """What to say of files that a table names and that are not there: how many of `count`, the first three, and what was meant."""
    table, root, like, one = finder.table, finder.root, finder.alike(records[0].path), len(records) == 1
    if like:
        way = f"there is {like}; correct the paths."
    elif len(records) < count:  # so the others begin in the right folder
        way = "put it back, or take its row out." if one else "put them back, or take their rows out."
    else:
        way = "correct the paths, or set data.root to the folder that they begin in."
    listed = ", ".join(f'row {record.number}: "{record.path}"' for record in records[:3])
    absolute = all(Path(record.path).is_absolute() for record in records)
    beside = same_file(table.parent) == same_file(root)
    place = f"not under {root}" if beside else f"neither under {root} nor beside the table ({table.parent})"
    if one:
        return DataError(f"{table.name} {listed} {'does not exist' if absolute else f'is {place}'}; {way}")
    more = ", …" if len(records) > 3 else ""
    where = "do not exist" if absolute else f"are {place}"
    return DataError(f"{table.name}: {len(records):,} of the {count:,} files that it names {where}: {listed}{more}; {way}")


def _exists(path: Path) -> bool:
    """Whether a file is there; `archive.npz#images[3]` names an item of one."""
    return path.is_file() or path.is_dir() or Path(str(path).partition("#")[0]).is_file()
