"""Images that a table names where a file is not yet an image: by their id, a file or the folder of one, or a word that the domain knows."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath

from labelfree.domain import PART, Contents, Row
from labelfree.errors import DataError

SHOWN = 3  # images that a sentence names


class NamedImages:
    """Looks names up in what a domain found under `root` (`labelfree.domain.ListsImages`)."""

    def __init__(self, contents: Contents, root: Path) -> None:
        self.contents, self.root = contents, root

    def of(self, text: str, path: Path | None) -> list[Row]:
        """The rows that a cell of a table names; `path`: the file or folder that it is. Several where a word such as a patient's stands for
        all of them, or an image is read in parts; none where nothing is called so.

        Raises `DataError` where a file or a folder holds several images, and is no word for all of them.
        """
        slashed = text.replace("\\", "/")
        for name in (text, slashed, slashed.removeprefix("./")):
            if name in self._by_id:
                return [self._by_id[name]]
        if path is not None and (inside := self._inside(path)):
            rows = [self.contents.rows[at] for at in inside]
            images = _images(rows)
            if len(images) > 1 and (meant := self.contents.names.get(self._relative(path))):
                return [self._by_id[name] for name in meant]
            if len(images) > 1:
                shown = ", ".join(images[:SHOWN]) + (", …" if len(images) > SHOWN else "")
                raise DataError(f'"{text}" holds {len(images)} images ({shown}); write one of these names instead.')
            return rows
        return [self._by_id[name] for name in self.contents.names.get(text.strip(), ())]

    def left_out(self, text: str, path: Path | None) -> bool:
        """Whether what a cell names is there and no image of the set: a report among images, or one that a key of `reader` leaves out."""
        if path is None:
            return self.contents.names.get(text.strip()) == ()
        name = self._relative(path)
        return name in self._places_of_all and name not in self._by_place and name not in self._faulty

    def knows(self, text: str) -> bool:
        """Whether the domain has images of this name."""
        return text.strip() in self.contents.names or text in self._by_id

    def spoken(self, cells: Iterable[str]) -> int:
        """How many of these cells are words that stand for several images."""
        named = ([self._by_id[name] for name in self.contents.names.get(cell.strip(), ())] for cell in cells)
        return sum(len(_images(rows)) > 1 for rows in named)

    @cached_property
    def _by_id(self) -> Mapping[str, Row]:
        return {row.id: row for row in self.contents.rows}

    def _inside(self, path: Path) -> Sequence[int]:
        """Positions of rows that a file is part of, or that lie below a folder."""
        return self._by_place.get(self._relative(path), ())

    def _relative(self, path: Path) -> str:
        try:
            return Path(os.path.relpath(os.path.abspath(path), os.path.abspath(self.root))).as_posix()  # noqa: PTH100
        except ValueError:  # another drive
            return str(path)

    @cached_property
    def _by_place(self) -> Mapping[str, Sequence[int]]:
        """Relative path of a file, or of a folder that holds some -> positions of rows."""
        places: dict[str, dict[int, None]] = defaultdict(dict)
        for at, row in enumerate(self.contents.rows):
            for file in row.files or (row.path,):
                for name in _with_folders(self._relative(file)):
                    places[name][at] = None
        return {name: tuple(rows) for name, rows in places.items()}

    @cached_property
    def _places_of_all(self) -> frozenset[str]:
        """Relative paths of all files that the domain speaks of, and of their folders."""
        return frozenset(name for file in self.contents.files for name in _with_folders(self._relative(file)))

    @cached_property
    def _faulty(self) -> frozenset[str]:
        """Relative paths of files that cannot be trusted, and of their folders: reading them says so."""
        return frozenset(name for file in self.contents.faults for name in _with_folders(file))


def _images(rows: Iterable[Row]) -> list[str]:
    """What the images are called that rows are, or are parts of."""
    return list(dict.fromkeys(row.id.partition(PART)[0].rstrip("#") if row.key else row.id for row in rows))


def _with_folders(name: str) -> list[str]:
    inside = PurePosixPath(name)
    return [str(inside), *map(str, inside.parents)]
