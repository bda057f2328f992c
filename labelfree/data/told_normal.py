"""What `data.normal` says, told of rows: a folder of images that were looked at, a class of the labels, or what names say by themselves."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal

from labelfree.data.inventory import take_inventory
from labelfree.data.normal import sounds_normal
from labelfree.domain import Domain, Row
from labelfree.errors import DataError

MOST, SHARE = 300, 0.5  # of a folder of normal images, how many and how much of it count as labelled
WAY = "data.normal=NAME names the right one, data.normal=false says that none does"


@dataclass(frozen=True)
class Normality:
    """Rows with `normal` told, and sentences on what was taken for normal. `taken`: what `data.normal` would say for it; "": nothing."""

    rows: list[Row]
    notes: tuple[str, ...] = ()
    taken: str = ""


def with_elsewhere(rows: Sequence[Row], root: Path, said: str | Literal[False], domain: Domain) -> list[Row]:
    """The rows, and those of the images of a folder that `data.normal` names and that lies elsewhere than under `root`.

    Raises `DataError` where the folder holds none, or one that is called as another of the set.
    """
    folder = _folder(str(said), root)
    told = _Told("", folders=(_absolute(folder),))
    if said in (False, "auto") or not folder.is_dir() or any(row.label == said or told.holds(row) for row in rows):
        return list(rows)
    return [*rows, *_from_elsewhere(rows, root, folder, domain, f"data.normal={said}")]


def told_normal(rows: Sequence[Row], root: Path, said: str | Literal[False], *, folders: bool = True) -> Normality:
    """The rows with `normal` told by what their owner `said` (`data.normal`): a folder, a class, "auto" or False.

    Of rows without a label a folder may say it. Those of such a folder that no split names are parted by a hash of their group: at most
    MOST of them, and at most half, count as labelled; the others become `pretrain` rows. `folders`: whether "auto" looks at names of
    folders.
    Raises `DataError` for what is neither, or could be both, and naming a row that is said to be normal and shows something.
    """
    if said is False:
        return Normality(list(rows))
    if said == "auto":
        found = _by_itself(rows, root, folders)
        return found if isinstance(found, Normality) else replace(found.of(rows, root), taken=found.name)
    return _meant(rows, root, said)


@dataclass(frozen=True)
class _Told:
    """What is normal: a class by its name, what lies in folders and has no label, or both. `why`: how sentences call it. `note`: on what
    was taken for it.
    """

    why: str
    label: str | None = None
    folders: tuple[Path, ...] = ()
    note: str = ""
    name: str = ""

    def of(self, rows: Sequence[Row], root: Path) -> Normality:
        """The rows with `normal`, and of folders which of them count as labelled."""
        notes = (self.note,) if self.note else ()
        inside = {row.id for row in rows if self.holds(row)}
        made = [self._told(row, row.id in inside) for row in rows]
        _require_nothing_drawn(made, self.why)
        made, parted = _parted(made, inside)
        return Normality(made, (*notes, *parted))

    def holds(self, row: Row) -> bool:
        """Whether the row's image lies in the folders."""
        return row.item is None and row.remote is None and not set(self.folders).isdisjoint(_absolute(row.path).parents)

    def _told(self, row: Row, inside: bool) -> Row:
        """A class that is not called normal says that something is wrong, of images in the folder as well: then the two do not agree."""
        if self.label is not None and row.label is not None:
            return replace(row, normal=row.label == self.label)
        wrong = row.label is not None and not sounds_normal(row.label)
        if inside and wrong:
            raise DataError(f"{row.called}: is normal by {self.why}, and its label is {row.label!r}; correct either.")
        if inside or row.label is not None:
            return replace(row, normal=not wrong)
        return row


def _require_nothing_drawn(rows: Iterable[Row], why: str) -> None:
    for row in rows:
        if row.normal and row.listed is not None and row.listed.objects:
            name, *_ = row.listed.objects
            raise DataError(f"{row.called}: is normal by {why}, and {name.name!r} is drawn on it; correct either.")


def _by_itself(rows: Sequence[Row], root: Path, folders: bool) -> _Told | Normality:
    """What names alone say is normal; nothing, with a sentence, where several could."""
    classes = sorted({row.label for row in rows if row.label is not None and sounds_normal(row.label)})
    if len(classes) > 1:
        return Normality(list(rows), (f"Classes {' and '.join(map(repr, classes))} may both mean that nothing is wrong: {WAY}.",))
    if classes:
        others = ", those of other classes not" if any(row.label not in (None, classes[0]) for row in rows) else ""
        note = f"Images of class {classes[0]!r} are taken as normal{others} (data.normal=false if they are not)."
        return _Told(f"its class {classes[0]!r}", label=classes[0], note=note, name=classes[0])
    named = _called(rows, root, sounds_normal) if folders else {}
    if not named:
        return Normality(list(rows))
    shown = sorted(f"{folder.relative_to(root).as_posix()}/" for folder in named)
    some = f"{', '.join(shown[:3])}{', …' if len(shown) > 3 else ''}"
    if len({folder.name.casefold() for folder in named}) > 1:
        return Normality(list(rows), (f"Folders {some} may all mean that nothing is wrong: {WAY}.",))
    note = f"{sum(named.values()):,} images in {some} are taken as normal, not as a class to learn (data.normal=false if they are not)."
    return _Told(f"its folder {some}", folders=tuple(map(_absolute, named)), note=note, name=min(named).name)


def _called(rows: Iterable[Row], root: Path, fits: Callable[[str], bool]) -> Mapping[Path, int]:
    """Folders under the root whose name fits, the outer one of two, and how many images without a label lie in each."""
    found: dict[Path, int] = defaultdict(int)
    for row in rows:
        if row.item is None and row.remote is None and not any((row.label, row.mask, row.boxes, row.listed)):
            folders = PurePosixPath(row.id).parts[:-1]
            depth = next((at for at, name in enumerate(folders) if fits(name)), None)
            if depth is not None:
                found[root.joinpath(*folders[: depth + 1])] += 1
    return found


def _folder(said: str, root: Path) -> Path:
    given = Path(said).expanduser()
    return given if given.is_absolute() else root / given


def _meant(rows: Sequence[Row], root: Path, said: str) -> Normality:
    """The folder or the class that a person named. Raises `DataError` where there is none, or both are there and do not agree."""
    why = f"data.normal={said}"
    folder = _folder(said, root)
    there = [folder] if folder.is_dir() else list(_called(rows, root, lambda name: name.casefold() == said.casefold()))
    told = _Told(why, folders=tuple(map(_absolute, there)))
    inside = {row.id for row in rows if told.holds(row)}
    if any(row.label == said for row in rows):
        if other := next((row for row in rows if row.id in inside and row.label not in (None, said)), None):
            raise DataError(
                f"{why}: is a class of the labels and a folder, in which {other.called} is of class {other.label!r}; correct that label "
                "or rename either."
            )
        return replace(told, label=said).of(rows, root)
    if inside:
        return told.of(rows, root)
    if there:
        raise DataError(_empty(why, there[0]))
    classes = sorted({row.label for row in rows if row.label is not None})
    known = f"there are {', '.join(classes[:10])}{', …' if len(classes) > 10 else ''}" if classes else "no image has a class"
    raise DataError(f"{why}: is no folder, neither as it is written nor under {root}, and no class of the labels ({known}).")


def _empty(why: str, folder: Path) -> str:
    return f"{why}: the folder {folder} holds no image of this set."


def _from_elsewhere(rows: Sequence[Row], root: Path, folder: Path, domain: Domain, why: str) -> list[Row]:
    """Rows of the images of a folder that is not under the root. Raises `DataError` where it is, and holds none of the set's."""
    outside = _absolute(root) not in (_absolute(folder), *_absolute(folder).parents)
    found = take_inventory(folder, domain).rows if outside else []
    if not found:
        raise DataError(_empty(why, folder))
    known = {row.id for row in rows}
    made = [replace(row, id=f"{folder.name}/{row.id}") for row in found]
    if same := next((row.id for row in made if row.id in known), None):
        raise DataError(f"{why}: {same} is there too, under {root}; rename the folder {folder}.")
    return made


def _parted(rows: Sequence[Row], inside: set[str]) -> tuple[list[Row], tuple[str, ...]]:
    """Rows of a folder of normal images, whole groups in the order of their hash, as labelled ones; the rest of it as `pretrain` rows."""
    groups: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        if row.id in inside and not row.split and not any((row.label, row.mask, row.boxes)):
            groups[row.group if row.group is not None else f"row {row.id}"].append(row.id)
    count = sum(map(len, groups.values()))
    if not count:
        return list(rows), ()
    room = min(MOST, int(SHARE * count))
    order = sorted(groups, key=lambda group: (hashlib.blake2b(f"normal {group}".encode()).digest(), group))
    taken: set[str] = set()
    for group in order:
        if len(taken) + len(groups[group]) <= room:
            taken.update(groups[group])
    if not taken:  # every group is larger than the part: what is left of one leaves the pool, as it must
        taken.update(sorted(groups[order[0]])[:room])
    rest = {identity for group in groups.values() for identity in group} - taken
    made = [replace(row, split="pretrain") if row.id in rest else row for row in rows]
    share = f"{len(taken):,} of {count:,} normal images without a label count as labelled (at most half and at most {MOST}, by a hash)"
    return made, (f"{share}; the others are pretrained on.",)


def _absolute(path: Path) -> Path:
    return Path(os.path.normcase(os.path.abspath(path)))  # noqa: PTH100  (`resolve` would follow links)
