"""A folder tree walked once: every real folder is read one time, whatever links lead to it, and what labelfree wrote itself is not."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from labelfree.data.our_folders import is_ours

Key = tuple[int, int] | str  # of a real folder
SYSTEM = {"$recycle.bin", "system volume information", "lost+found", "@eadir", "#recycle", "#snapshot"}  # of disks and network drives


@dataclass
class Walk:
    """Iterate: (folder, its files' names, sorted), folders in order, hidden ones and a disk's own left out. What is passed over is told.

    `enter`: whether to go into a folder that was found; what it refuses counts as nothing. Links to a folder that is walked anyway, or
    to one that holds the link, are `links`; links to folders elsewhere are followed. `ours`: folders of labelfree. `closed`: folders that
    may not be opened.
    """

    root: Path
    enter: Callable[[Path], bool] = lambda folder: True
    ours: list[Path] = field(default_factory=list)
    links: list[Path] = field(default_factory=list)
    closed: list[Path] = field(default_factory=list)

    def __iter__(self) -> Iterator[tuple[Path, list[str]]]:
        self.ours, self.links, self.closed = [], [], []
        seen: set[Key] = set()
        todo = [(self.root, _above(self.root))]  # real folders first: a link to one of them is passed over
        while todo:
            start, above = todo.pop(0)
            if start is not self.root and ((key := _key(start)) is None or key in seen or key in above):
                self.links.append(start)
                continue
            linked: list[Path] = []
            yield from self._tree(start, seen, linked)
            todo += [(link, above | _above(link)) for link in sorted(linked)]

    def _tree(self, start: Path, seen: set[Key], linked: list[Path]) -> Iterator[tuple[Path, list[str]]]:
        """A folder and the real ones below it; links to folders are put into `linked`."""
        todo = [start]
        while todo:
            folder = todo.pop()
            key = _key(folder)
            if key is None or key in seen:  # a bind mount or a junction
                continue
            seen.add(key)
            if folder is not self.root and is_ours(folder):
                self.ours.append(folder)
                continue
            try:
                with os.scandir(folder) as entries:
                    visible = sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
                    folders = {entry.name: entry for entry in visible if _is_folder(entry)}
            except OSError:
                self.closed.append(folder)
                continue
            yield folder, [entry.name for entry in visible if entry.name not in folders]
            real: list[Path] = []
            for name, entry in folders.items():
                path = Path(entry.path)
                if name.startswith("__") or name.lower() in SYSTEM or not self.enter(path):
                    continue
                (linked if _is_link(entry) else real).append(path)
            todo += reversed(real)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _is_link(entry: os.DirEntry[str]) -> bool:
    junction = getattr(os.path, "isjunction", lambda path: False)  # Windows, from Python 3.12 on
    return entry.is_symlink() or junction(entry.path)


def _key(folder: Path) -> Key | None:
    """What a folder really is; None where there is none."""
    try:
        status = folder.stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if status.st_ino else os.path.realpath(folder)  # some network drives number nothing


def _above(folder: Path) -> frozenset[Key]:
    """The real folders that hold a folder."""
    return frozenset(key for parent in folder.resolve().parents if (key := _key(parent)) is not None)
