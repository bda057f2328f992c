"""The manifest: the table of a data set, one row an image, whatever form its owner keeps it in."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from labelfree.data.cards import Card, effective_card
from labelfree.data.folders import generated_root, hold_scenes, rows_of_folder
from labelfree.data.labels import Record, read_table
from labelfree.domain import Domain, LabelFields, ReadsRemote, ReadsShapes, Row, Sample
from labelfree.errors import DataError
from labelfree.recipe import Data

SPLITS_FILE = "splits.csv"


@dataclass(frozen=True)
class Manifest:
    """A data set's rows. Labels of `pretrain` rows are unknown: they are blank from here on, whoever wrote them.

    `given_split`: the owner said which rows are train, dev or test. `class_folders`: labels come from folder names.
    `notes`: sentences for the log.
    """

    rows: list[Row]
    root: Path
    name: str
    classes: tuple[str, ...]
    read: Callable[[Row], Sample] | None = None
    given_split: bool = False
    class_folders: bool = False
    notes: tuple[str, ...] = ()

    def subset(self, *splits: str) -> list[Row]:
        """Rows of these splits, in order."""
        return [row for row in self.rows if row.split in splits]

    @property
    def labelled(self) -> list[Row]:
        """Rows whose label is known."""
        return [row for row in self.rows if row.label is not None]

    @property
    def digest(self) -> str:
        """Identity of the table: ids, labels, groups and splits, not pixels."""
        lines = (repr((row.id, row.label, row.mask, row.boxes, row.text, row.group, row.split)) for row in self.rows)
        return hashlib.blake2b("\n".join(lines).encode(), digest_size=16).hexdigest()

    def with_groups(self, groups: Mapping[str, str]) -> Manifest:
        """The same table with the group of each row id in `groups` replaced; other rows of a group that is renamed go along."""
        renamed = {row.group: groups[row.id] for row in self.rows if row.id in groups and row.group is not None}
        final = [groups.get(row.id) or renamed.get(row.group or "") or row.group for row in self.rows]
        return replace(self, rows=[replace(row, group=group) for row, group in zip(self.rows, final, strict=True)])


def load_manifest(data: Data, domain: Domain) -> Manifest:
    """The manifest that the recipe's `data` names: card, table of labels, `splits.csv`, class folders or plain folder.

    Raises `DataError` naming the file or row that is at fault.
    """
    card = effective_card(data)
    root = _root(data, card, domain)
    name = card.name if card else root.resolve().name or "data"
    if data.labels is not None:
        return _from_labels(data, data.labels, root, name, domain)
    if (root / SPLITS_FILE).is_file():
        return _from_table(root / SPLITS_FILE, root, name, domain, inside=card is not None)
    return _from_folder(root, name, domain, classes=data.class_folders and (card is None or card.task != "none"))


def manifest_from_dataset(
    dataset: Any,
    channels: Sequence[str],
    *,
    labels: Sequence[Any] | None = None,
    groups: Sequence[str] | None = None,
    splits: Sequence[str] | None = None,
    unit: str = "",
    name: str = "dataset",
) -> Manifest:
    """A manifest over a torch `Dataset` whose items are a (C, *spatial) tensor, or a tuple of one and a label (None: unlabelled).

    Labels come from `labels`, else from the data set's `targets`, else from its items, which are then read once.
    """
    known = labels if labels is not None else getattr(dataset, "targets", None)
    if known is None:
        known = [
            item[1] if isinstance(item, tuple | list) and len(item) > 1 else None for item in (dataset[i] for i in range(len(dataset)))
        ]
    for key, values in {"labels": known, "groups": groups, "splits": splits}.items():
        if values is not None and len(values) != len(dataset):
            raise DataError(f"{name}: {len(values)} {key} for {len(dataset)} items.")
    names = getattr(dataset, "classes", None)
    rows = [
        Row(
            id=f"{name}/{i:07d}",
            path=Path(f"{name}/{i:07d}"),
            label=_class_name(known[i], names),
            group=str(groups[i]) if groups is not None else None,
            split=splits[i] if splits is not None else "",
            item=i,
        )
        for i in range(len(dataset))
    ]
    return _manifest(rows, Path(), name, read=_ItemReader(dataset, tuple(channels), unit))


@dataclass(frozen=True)
class _ItemReader:
    """Reads items of a user's data set as samples (a class, so that it can be sent to a worker process)."""

    dataset: Any
    channels: tuple[str, ...]
    unit: str

    def __call__(self, row: Row) -> Sample:
        import torch

        item = self.dataset[row.item]
        image = item[0] if isinstance(item, tuple | list) else item
        image = image if isinstance(image, torch.Tensor) else torch.as_tensor(image)
        if image.ndim < 2 or image.shape[0] != len(self.channels):
            raise DataError(
                f"{row.id}: shape {tuple(image.shape)}; {len(self.channels)} channels first were announced ({', '.join(self.channels)})."
            )
        ones, zeros = (1.0,) * len(self.channels), (0.0,) * len(self.channels)
        return Sample(image, self.channels, ones, zeros, self.unit, source=row.id)


def _class_name(value: Any, names: Sequence[str] | None) -> str | None:
    if value is None:
        return None
    value = value.item() if hasattr(value, "item") else value
    return str(names[value]) if names is not None and isinstance(value, int) else str(value)


def _root(data: Data, card: Card | None, domain: Domain) -> Path:
    if data.root is not None:
        root = data.root.expanduser()
    elif card is not None and card.generated:
        return generated_root(domain, card.variant)
    elif card is not None:
        raise DataError(f"data.card: the images of {card.name} do not come with labelfree; say where they are with data.root=DIR.")
    elif data.labels is not None:
        root = data.labels.expanduser().parent
    else:
        raise DataError("data: nothing to read; give data.root=DIR, data.labels=FILE or data.card=NAME.")
    if isinstance(domain, ReadsRemote) and domain.remote(re.sub(r"^(\w+):/(?=[^/])", r"\1://", str(root))):
        raise DataError(f"data.root: {root} is an address; list its images in a table (data.labels, column path); data.root is local.")
    if not root.is_dir():
        raise DataError(f"data.root: {root} {'is not a folder' if root.exists() else 'does not exist'}.")
    return root


def _from_folder(root: Path, name: str, domain: Domain, classes: bool) -> Manifest:
    rows, class_folders = rows_of_folder(root, domain, classes)
    made = _manifest(rows, root, name)
    if not class_folders:
        scenes = classes and all("/" in row.id for row in rows) and hold_scenes(rows, domain)
        said = "Sub-folders hold scenes, so their names are not taken as classes; give a table of labels."
        return replace(made, notes=(*made.notes, said)) if scenes else made
    note = f"Folder names are taken as classes: {', '.join(made.classes)} (data.class_folders=false: they are none)."
    return replace(made, class_folders=True, notes=(*made.notes, note))


def _from_table(table: Path, root: Path, name: str, domain: Domain, inside: bool) -> Manifest:
    rows, notes = _located(read_table(table), table, root, domain, inside)
    return _manifest(rows, root, name, notes=notes)


def _from_labels(data: Data, labels: Path, root: Path, name: str, domain: Domain) -> Manifest:
    """The table's rows, or those of a vector file's shapes, and every other image under the root as an unlabelled row."""
    table = labels.expanduser()
    if not table.exists():
        raise DataError(f"data.labels: {table} does not exist (a relative path is also looked for in data.root, here {root}).")
    images = [Row(path.relative_to(root).as_posix(), path) for path in domain.files(root)]
    fields = LabelFields(data.label_field, data.date_field, data.chip, data.background, data.layer)
    shapes = domain.shapes(table, fields, images) if isinstance(domain, ReadsShapes) else None
    if shapes is not None:
        return _manifest(shapes[0], root, name, notes=shapes[1])
    rows, notes = _located(read_table(table), table, root, domain, inside=False)
    listed = {_same_file(Path(name)) for row in rows for name in (row.path, row.mask, row.boxes) if name}  # a mask is no image
    rows += [row for row in images if _same_file(row.path) not in listed]
    return _manifest(rows, root, name, notes=notes)


def _manifest(
    rows: list[Row], root: Path, name: str, *, read: Callable[[Row], Sample] | None = None, notes: Sequence[str] = ()
) -> Manifest:
    blank = [replace(row, label=None, mask=None, boxes=None) if row.split == "pretrain" else row for row in rows]
    classes = tuple(sorted({row.label for row in blank if row.label is not None}))
    given = any(row.split in ("train", "dev", "test") for row in blank)
    return Manifest(blank, root, name, classes, read=read, given_split=given, notes=tuple(notes))


def _located(records: Sequence[Record], table: Path, root: Path, domain: Domain, inside: bool) -> tuple[list[Row], list[str]]:
    """Rows for a table's records, each path found on disk or an address that the domain reads; sentences on paths outside the root."""
    rows, first, outside = [], dict[str, Record](), 0
    elsewhere = domain.remote if isinstance(domain, ReadsRemote) else lambda text: False
    found = [(Path(record.path), record.path, True) if elsewhere(record.path) else _find(record, table, root) for record in records]
    missing = [record for record, file in zip(records, found, strict=True) if file is None]
    if missing:
        raise _missing(missing, len(records), table, root)
    for record, (path, identity, is_outside) in zip(records, filter(None, found), strict=True):
        if is_outside and inside:
            raise DataError(f'{table.name} row {record.number}: "{record.path}" leaves the data root {root}; a card\'s paths may not.')
        outside += is_outside
        before = first.setdefault(record.path if elsewhere(record.path) else _same_file(path), record)
        if before is not record:
            said = f" with labels {before.label!r} and {record.label!r}" if before.label != record.label else ""
            raise DataError(f'{table.name} rows {before.number} and {record.number}: both name "{record.path}"{said}; keep one.')
        mask, boxes = (_beside(cell, table, root) for cell in (record.mask, record.boxes))
        known = {name: getattr(record, name) for name in ("label", "text", "group", "split", "place", "date")}
        remote = record.path if elsewhere(record.path) else None
        rows.append(Row(identity, path, mask=mask, boxes=boxes, remote=remote, **known))
    twice = [identity for identity, n in Counter(row.id for row in rows).items() if n > 1]
    if twice:
        raise DataError(f"{table.name}: {twice[0]!r} stands both under {root} and beside the table; write one of them as an absolute path.")
    return rows, [f"{table.name}: {outside} of {len(rows)} paths lie outside the data root {root}."] if outside else []


def _missing(records: Sequence[Record], count: int, table: Path, root: Path) -> DataError:
    """What to say of files that a table names and that are not there: how many of `count`, and the first three."""
    told = ", ".join(f'row {record.number}: "{record.path}"' for record in records[:3])
    absolute, one = all(Path(record.path).is_absolute() for record in records), len(records) == 1
    place = f"neither under {root} nor beside the table ({table.parent})"
    if one:
        return DataError(f"{table.name} {told} {'does not exist' if absolute else f'is {place}'}.")
    more = ", …" if len(records) > 3 else ""
    where = "do not exist" if absolute else f"are {place}"
    return DataError(f"{table.name}: {len(records):,} of the {count:,} files that it names {where}: {told}{more}.")


def _find(record: Record, table: Path, root: Path) -> tuple[Path, str, bool] | None:
    """A record's file, its id, and whether it lies outside the root; None where there is no such file."""
    for text in dict.fromkeys((record.path, record.path.replace("\\", "/"))):  # a list written on Windows
        given = Path(text)
        for base in (Path(),) if given.is_absolute() else (root, table.parent):
            if _exists(base / given):
                return base / given, *_identity(base / given, root, given.as_posix())
    return None


def _identity(path: Path, root: Path, otherwise: str) -> tuple[str, bool]:
    """The path relative to the root where it lies inside, else `otherwise`."""
    try:
        return Path(_same_file(path)).relative_to(_same_file(root)).as_posix(), False
    except ValueError:
        return otherwise, True


def _exists(path: Path) -> bool:
    """Whether a file is there; `archive.npz#images[3]` names an item of one."""
    return path.is_file() or path.is_dir() or Path(str(path).partition("#")[0]).is_file()


def _beside(cell: str | None, table: Path, root: Path) -> str | None:
    """A mask's or annotation's path as found; a cell that is no path (a class, a polygon) stays as it is."""
    names = dict.fromkeys((cell, cell.replace("\\", "/"))) if cell and len(cell) < 1000 else ()
    found = (base / name for name in names for base in (root, table.parent) if (base / name).is_file())
    return str(next(found, cell)) if cell else None


def _same_file(path: Path) -> str:
    """The path made comparable without following links (`resolve` would): a linked image belongs to the folder it is listed in."""
    return os.path.normcase(os.path.abspath(path))  # noqa: PTH100
