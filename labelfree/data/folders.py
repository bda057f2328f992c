"""Folders as data sets: class folders, split folders, a plain folder, and the folder of a domain's generated sample."""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

from labelfree.data.folder_groups import level_of_groups
from labelfree.data.inventory import Inventory, take_inventory
from labelfree.data.layout_masks import with_masks
from labelfree.data.normal import sounds_normal
from labelfree.data.our_folders import cache_folder
from labelfree.data.structure import SPLITS, Parts, are_splits, are_structural, bear_the_same_names, is_structural
from labelfree.data.table_cells import name_of
from labelfree.data.walk import SYSTEM
from labelfree.domain import Contents, Domain, Row, extent_of
from labelfree.errors import DataError

STRAY = 0.25  # of the images at most may lie beside class folders and have no label
TOGETHER = "they say which images belong together; data.class_folders=true takes them"
UNSORTED = {
    "unlabelled", "unlabeled", "unannotated", "unsorted", "unclassified", "unsortiert", "ungelabelt", "nicht sortiert", "to label", "todo",
}  # fmt: skip
PEOPLE = "folders of images of people may bear their names; data.class_folders=true takes them"


@dataclass(frozen=True)
class Layout:
    """Rows of a folder without a table. `class_folders`: whether names of folders were taken as classes. `notes`: sentences for the log.

    `contents`: what the domain says besides.
    """

    rows: list[Row]
    class_folders: bool = False
    notes: tuple[str, ...] = ()
    contents: Contents | None = None


def rows_of_folder(root: Path, domain: Domain, classes: bool = True, people: bool = False, sure: bool = False) -> Layout:
    """Rows for a folder without a table.

    `root/CLASS/image` gives labels, `root/train/CLASS/image` labels and splits; folders that only say how a data set is laid out
    (`images`) are looked through. Anything else is one unlabelled set, and so are images that are read in windows: folders of scenes are
    years or places. `classes`: False where folders are known to be none. `people`: whether folders may bear the names of people,
    and are none unless they are said to be. `sure`: folders are said to be classes; else those that the domain's people call by what
    belongs together are none, and are looked through. Raises `DataError` where there is no image: it names what was seen instead.
    """
    inventory = take_inventory(root, domain)
    if not inventory.rows:
        raise DataError(first_fault(inventory) or inventory.nothing)
    plain, told_of_masks = _masked(inventory)
    parts = [row.path.relative_to(root).parts for row in plain]
    told = any(row.label or row.mask or row.split for row in inventory.rows)  # by the files themselves
    if not classes or told or hold_scenes(plain, domain):
        return Layout(plain, notes=told_of_masks, contents=inventory.contents)
    loose = sum(len(part) == 1 for part in parts)
    stray = 0 < loose <= STRAY * len(plain)
    foldered = [row for row, part in zip(plain, parts, strict=True) if len(part) > 1 or not stray]
    levels, splits, passed = _without_structural([row.path.relative_to(root).parts[:-1] for row in foldered])
    rows = [replace(row, split=split) for row, split in zip(foldered, splits, strict=True)]
    others = [row for row, part in zip(plain, parts, strict=True) if len(part) == 1 and stray]
    notes = [*told_of_masks, *_layout_notes(passed, splits)]
    folders = len({level[:1] for level in levels})
    if _are_lots(levels, rows):
        rows = [replace(row, group="/".join(level)) for row, level in zip(rows, levels, strict=True)]
        notes.append(f"{folders:,} folders hold files of the same names with their masks: images of one stay together, as of one lot.")
        return Layout(sorted([*rows, *others], key=_place), notes=tuple(notes), contents=inventory.contents)
    together = None if sure else level_of_groups(levels, domain)
    if together is not None:
        levels = [(*level[:together], *level[together + 1 :]) for level in levels]
    per_folder = Counter(level[0] for level in levels if level and not _unsorted(level))
    why = "" if per_folder or together is None else TOGETHER
    if why := why or _no_classes(levels, per_folder, any(splits), inventory, foldered) or (PEOPLE if people else ""):
        refusal = [f"Folder names are not taken as classes, for {why}."] if folders > 1 else []
        return Layout(sorted([*rows, *others], key=_place), notes=(*notes, *refusal), contents=inventory.contents)
    if not passed and together is None:
        _refuse_empty(root, {*(level[0] for level in levels), *inventory.aside}, domain)
    rows = [row if _unsorted(level) else replace(row, label=name_of(level[0])) for row, level in zip(rows, levels, strict=True)]
    names = ", ".join(sorted({str(row.label) for row in rows if row.label is not None}))
    notes.append(f"Folder names are taken as classes: {names} (data.class_folders=false: they are none).")
    if waiting := sorted({level[0] for level in levels if _unsorted(level)}):
        notes.append(f"Images in {', '.join(waiting)}/ have no label, for its name says that nobody sorted them.")
    if others:
        images = "images outside these folders have" if len(others) > 1 else "image outside these folders has"
        notes.append(f"{len(others):,} {images} no label, such as {others[0].id}.")
    return Layout(sorted([*rows, *others], key=_place), True, tuple(notes), inventory.contents)


def _masked(inventory: Inventory) -> tuple[list[Row], tuple[str, ...]]:
    """The images with masks that lie beside them or in folders called as theirs, where files alone are images; and what is left out."""
    if inventory.contents is not None:
        return inventory.rows, inventory.all_notes()
    rows, used = with_masks(inventory.rows, inventory.masks, inventory.root)
    if not used:
        return rows, inventory.all_notes()
    files = f"{len(used):,} file{'s are masks of images' if len(used) > 1 else ' is the mask of an image'}"
    example = min(used).relative_to(inventory.root).as_posix()
    return rows, (*inventory.all_notes(named=used), f"{files} by name and folder, such as {example}.")


def _are_lots(levels: Sequence[Parts], rows: Sequence[Row]) -> bool:
    """Whether folders are one thing each that several images show: each holds masks beside its images, which are called as in others."""
    masked = {level for level, row in zip(levels, rows, strict=True) if row.mask and Path(row.mask).parent == row.path.parent}
    names = Counter(row.path.stem for row in rows)
    return (
        len(masked) > 1 and masked == set(levels) and 2 * len(names) <= len(rows) and not any(sounds_normal(level[-1]) for level in masked)
    )


def _unsorted(level: Parts) -> bool:
    """Whether the name of a folder beside class folders says that nobody has looked at its images."""
    return " ".join(re.findall(r"[^\W_]+", level[0].casefold())) in UNSORTED


def _place(row: Row) -> Path:
    return row.path


def _no_classes(levels: Sequence[Parts], per_folder: Counter[str], split: bool, inventory: Inventory, rows: Sequence[Row]) -> str:
    """Why names of folders are no classes; empty where they are."""
    if loose := sum(not level for level in levels):
        return f"{loose:,} images lie outside any folder"
    if deep := next((row.id for row, level in zip(rows, levels, strict=True) if len(level) > 1), ""):
        return f"images lie in folders within folders, such as {deep}"
    if not split and len(per_folder) > len(rows) / 2:
        return "most folders hold one image"  # scenes
    groups = {(level[0], row.group) for row, level in zip(rows, levels, strict=True)}
    if all(row.group for row in rows) and len(groups) == len(per_folder):
        return "each holds the images of one group"  # a patient's folder
    beside = any(per_folder.keys().isdisjoint(mask.relative_to(inventory.root).parts) for mask in inventory.masks)
    if beside and bear_the_same_names([(*level, row.path.name) for row, level in zip(rows, levels, strict=True)]):
        return "they hold files of the same names, with masks beside them"
    return "" if split or len(per_folder) > 1 else "there is one folder"


def _without_structural(levels: list[Parts]) -> tuple[list[Parts], list[str], list[str]]:
    """The folders of each file without those that only say how the data set is laid out; each file's split; the names looked through."""
    splits, passed, depth = [""] * len(levels), list[str](), 0
    while all(len(level) > depth for level in levels):
        names = {level[depth] for level in levels}
        around = depth == 0 and len(names) == 1 and not any(splits) and min(map(len, levels)) > 1  # one folder that an archive made
        if not are_structural(names) and not around:
            depth += 1
            continue
        if are_splits(names) and len(names) > 1:
            splits = [SPLITS[level[depth].lower()] for level in levels]
        passed += sorted(names)
        levels = [(*level[:depth], *level[depth + 1 :]) for level in levels]
    return levels, splits, passed


def _layout_notes(passed: Sequence[str], splits: Sequence[str]) -> list[str]:
    kept = sum(split in ("dev", "test") for split in splits)
    held_out = f" {kept:,} images of dev and test are not pretrained on." if kept else ""
    if any(splits):
        return [f"Folder names are taken as splits: {', '.join(name for name in passed if are_splits([name]))}.{held_out}"]
    return [f"Folders named {', '.join(passed)} say how the data is laid out and are no classes."] if passed else []


def _refuse_empty(root: Path, known: Set[str], domain: Domain) -> None:
    """Raises `DataError` for a class without an image: a folder is missing from a copy, or holds what is not read."""
    folders = (entry.name for entry in root.iterdir() if entry.is_dir() and entry.name[0] not in "._")
    if empty := sorted(name for name in folders if name not in known and name.lower() not in SYSTEM and not is_structural(name)):
        raise DataError(f"{root / empty[0]}: class folder without an image that the {domain.name} domain reads; fill it or remove it.")


def first_fault(inventory: Inventory) -> str:
    """What is wrong with a folder in which nothing can be trusted; empty where nothing is."""
    faults = list(inventory.contents.faults.values()) if inventory.contents else []
    return " ".join([faults[0], *([f"{len(faults) - 1} more cannot be trusted."] if len(faults) > 1 else [])]) if faults else ""


def hold_scenes(rows: list[Row], domain: Domain) -> bool:
    """Whether most of a few images are read in windows."""
    few = rows[:: max(1, len(rows) // 8)]
    return 2 * sum(extent_of(domain)(row) is not None for row in few) > len(few)


def generated_root(domain: Domain, variant: str, seed: int = 0) -> Path:
    """The domain's generated sample, written once into the cache; another version of the domain writes its own."""
    package = sys.modules[type(domain).__module__.partition(".")[0]]
    sources = sorted(Path(package.__file__).parent.rglob("*.py")) if package.__file__ else []
    version = hashlib.blake2b(b"".join(source.read_bytes() for source in sources), digest_size=6).hexdigest()
    final = cache_folder() / "generated" / f"{domain.name}-{variant or 'default'}-{seed}-{version}"
    if final.is_dir():
        return final
    final.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=".making-", dir=final.parent))
    try:
        domain.generate(made, seed=seed, variant=variant)
        made.replace(final)
    except OSError:
        if not final.is_dir():  # else another process was faster
            raise
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return final
