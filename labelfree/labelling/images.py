"""Which images are asked about, in which order: those of a table of chosen rows, else all of the folder that have no label."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from labelfree.data.chosen import AUDIT
from labelfree.data.label_tables import Record, read_table
from labelfree.data.paths import Finder, rows_of_records, same_file
from labelfree.domain import Domain, ReadsRemote, Row
from labelfree.errors import DataError
from labelfree.labelling.answers import Words

COLUMNS = ("group", "split", "chosen")  # of the table of rows, which the table of answers keeps


@dataclass(frozen=True)
class Asked:
    """One image that is asked about. `identity` tells it from others however a table writes its path; `extra`: its further cells."""

    identity: str
    row: Row
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def cell(self) -> str:
        """How a new line of a table names it."""
        return self.row.id if self.identity == self.row.id or not Path(self.identity).is_absolute() else self.identity

    @property
    def gone(self) -> bool:
        """Whether its file is no longer there."""
        return self.row.remote is None and not Path(str(self.row.path).partition("#")[0]).exists()


class Folder:
    """A folder of images, and the tables that name them. `rows`: its images as its manifest has them."""

    def __init__(self, root: Path, domain: Domain, rows: list[Row]) -> None:
        self.root, self.domain, self.rows = root, domain, rows
        self._remote = domain.remote if isinstance(domain, ReadsRemote) else lambda text: False

    def without_label(self) -> list[Asked]:
        """The images whose label nobody has told, in their order. Raises `DataError` where there is none."""
        rows = [row for row in self.rows if not (row.label or row.mask or row.boxes)]
        if not rows:
            raise DataError(f"{self.root}: every image has a label already; name those to ask about with --rows.")
        identity = self.identities(self.root)
        return [Asked(identity(_written(row)), row, {"group": row.group or "", "split": row.split}) for row in rows]

    def chosen(self, table: Path) -> list[Asked]:
        """The images of a table, in its order; one that is no longer there is asked about too, and the page says that it is gone.

        Raises `DataError` where the table is broken, or none of its images is there.
        """
        records = read_table(table)
        finder, identity = self._finder(table), self.identities(table)
        there = [record for record in records if self._remote(record.path) or finder.file(record.path) is not None]
        found = there or records  # none is there: this says so, and where it looked
        rows = dict(zip((record.number for record in found), rows_of_records(found, finder, self.domain, inside=False)[0], strict=True))
        asked = []
        for record in records:
            row = rows.get(record.number) or Row(record.path, self.root / record.path, group=record.group, split=record.split)
            asked.append(Asked(identity(record.path), row, {name: getattr(record, name) or "" for name in _columns(records)}))
        return asked

    def identities(self, table: Path) -> Callable[[str], str]:
        """What tells which image a cell of `table` names, however it writes the path: within the folder, or the whole path."""
        finder = self._finder(table)

        @cache
        def identity(cell: str) -> str:
            if self._remote(cell):
                return cell
            try:
                path = finder.file(cell)
            except DataError:  # fits several
                path = None
            return Path(cell.replace("\\", "/")).as_posix() if path is None else finder.identity(path, same_file(path))[0]

        return identity

    def words(self, table: Path, asked: Iterable[Asked], carried: Sequence[Asked] = ()) -> Words:
        """How `table` speaks of the images asked about, and of those that it is only to name."""
        known = {each.identity: each for each in (*asked, *carried)}
        columns = [name for name in COLUMNS if any(each.extra.get(name) for each in known.values())]
        return Words(
            self.identities(table),
            lambda identity: known[identity].cell if identity in known else identity,
            lambda identity: {name: known[identity].extra.get(name, "") if identity in known else "" for name in columns},
            tuple(columns),
            tuple(each.identity for each in carried),
            self._finder(table).holds,
        )

    def others(self, identities: Iterable[str]) -> list[Asked]:
        """Further images that a table has an answer for, as far as they are there: they are shown as neighbours."""
        by_identity = {self.identities(self.root)(_written(row)): row for row in self.rows}
        return [Asked(identity, by_identity[identity]) for identity in identities if identity in by_identity]

    def _finder(self, table: Path) -> Finder:
        return Finder(table, self.root, lambda: [row.path for row in self.rows if row.remote is None])


def _written(row: Row) -> str:
    """How a table writes what opens an image: `archive.npz#key` for one of several in a file."""
    return f"{row.path}#{row.key}" if row.key else str(row.where)


def apart_from_audit(rows: Sequence[Asked]) -> tuple[list[Asked], list[Asked]]:
    """Images to ask about, and those that a table names only since they go with an image of its audit: of its group, chosen by nobody."""
    audit = {each.extra.get("group") for each in rows if each.extra.get("chosen") == AUDIT} - {"", None}
    beside = [each for each in rows if each.extra.get("group") in audit and not (each.extra.get("chosen") or each.extra.get("split"))]
    names = {each.identity for each in beside}
    return [each for each in rows if each.identity not in names], beside


def _columns(records: Iterable[Record]) -> list[str]:
    return [name for name in COLUMNS if any(getattr(record, name) for record in records)]
