"""Folders as data sets: class folders, split folders, a plain folder, and the folder of a domain's generated sample."""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

from labelfree.data.inventory import take_inventory
from labelfree.data.own import cache_folder
from labelfree.data.structure import SPLITS, Parts, are_splits, are_structural
from labelfree.domain import Domain, Row, extent_of
from labelfree.errors import DataError


@dataclass(frozen=True)
class Layout:
    """Rows of a folder without a table. `class_folders`: whether names of folders were taken as classes. `notes`: sentences for the log."""

    rows: list[Row]
    class_folders: bool = False
    notes: tuple[str, ...] = ()


def rows_of_folder(root: Path, domain: Domain, classes: bool = True) -> Layout:
    """Rows for a folder without a table.

    `root/CLASS/image` gives labels, `root/train/CLASS/image` labels and splits; folders that only say how a data set is laid out
    (`images`) are looked through. Anything else is one unlabelled set, and so are images that are read in windows: folders of scenes are
    years or places. `classes`: False where folders are known to be none. Raises `DataError` where there is no image: it names what was
    seen instead.
    """
    found = take_inventory(root, domain)
    if not found.files:
        raise DataError(found.nothing)
    parts = [path.relative_to(root).parts for path in found.files]
    plain = [Row("/".join(part), path) for part, path in zip(parts, found.files, strict=True)]
    if not classes or hold_scenes(plain, domain):
        return Layout(plain, notes=found.told())
    levels, splits, passed = _looked_through([part[:-1] for part in parts])
    rows = [replace(row, split=split) for row, split in zip(plain, splits, strict=True)]
    notes = [*found.told(), *_layout_notes(passed, splits)]
    per_folder = Counter(level[0] for level in levels if level)
    # Many folders of one image each are scenes, not classes.
    if not all(len(level) == 1 for level in levels) or not (any(splits) or 1 < len(per_folder) <= len(rows) / 2):
        return Layout(rows, notes=tuple(notes))
    if not passed:
        _refuse_empty(root, {*per_folder, *found.aside}, domain)
    rows = [replace(row, label=level[0].strip()) for row, level in zip(rows, levels, strict=True)]
    names = ", ".join(sorted({str(row.label) for row in rows}))
    return Layout(rows, True, (*notes, f"Folder names are taken as classes: {names} (data.class_folders=false: they are none)."))


def _looked_through(levels: list[Parts]) -> tuple[list[Parts], list[str], list[str]]:
    """The folders of each file without those that only say how the data set is laid out; each file's split; the names looked through."""
    splits, passed = [""] * len(levels), list[str]()
    while all(levels) and are_structural(names := {level[0] for level in levels}):
        if are_splits(names) and len(names) > 1:
            splits = [SPLITS[level[0].lower()] for level in levels]
        passed += sorted(names)
        levels = [level[1:] for level in levels]
    return levels, splits, passed


def _layout_notes(passed: Sequence[str], splits: Sequence[str]) -> list[str]:
    kept = sum(split in ("dev", "test") for split in splits)
    said = f" {kept:,} images of dev and test are not pretrained on." if kept else ""
    if any(splits):
        return [f"Folder names are taken as splits: {', '.join(name for name in passed if are_splits([name]))}.{said}"]
    return [f"Folders named {', '.join(passed)} say how the data is laid out and are no classes."] if passed else []


def _refuse_empty(root: Path, known: Set[str], domain: Domain) -> None:
    """Raises `DataError` for a class without an image: a folder is missing from a copy, or holds what is not read."""
    names = (entry.name for entry in root.iterdir() if entry.is_dir() and entry.name[0] not in "._" and entry.name not in known)
    if empty := sorted(names):
        raise DataError(f"{root / empty[0]}: class folder without an image that the {domain.name} domain reads; fill it or remove it.")


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
