"""The headers of a folder tree, read once in threads and kept in the cache folder by path, size and time of change."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from labelfree.data.our_folders import cache_folder
from labelfree.data.threads import in_order
from labelfree.data.walk import Walk
from labelfree_medical.dicom.finding import is_archive, named_like_dicom, without_ending
from labelfree_medical.dicom.headers import Header, read_header
from labelfree_medical.dicom.quiet import quiet_pydicom
from labelfree_medical.dicom.slices import Slice

VERSION = 1  # of what is kept: another one is read anew
WORKERS = 8  # threads: most of their time goes into opening files
BATCH = 32  # files that a thread takes at a time
LOST = {0: "is empty, no byte is in it", -1: "cannot be opened"}  # by size


@dataclass
class Found:
    """What lies in a folder tree, in order of paths.

    `lost`: files named like DICOM that are none, with the reason, as in "cannot be opened". `empty`: files without a byte and without an
    ending, which are lost, too, where they lie among DICOM. `archives`: files that may hold others.
    """

    headers: list[Header] = field(default_factory=list)
    lost: list[tuple[Path, str]] = field(default_factory=list)
    empty: list[Path] = field(default_factory=list)
    archives: list[Path] = field(default_factory=list)


def headers_under(root: Path, say: Any = None, deep: bool = True) -> Found:
    """All DICOM below `root`, or `deep` false: in it alone; links, hidden files and folders of labelfree are passed over.

    `say`: `labelfree.progress.Progress`, to tell how far it is.
    """
    quiet_pydicom()
    folders = [(folder, names) for folder, names in Walk(root, enter=lambda folder: deep) if names]
    files = sum(len(names) for _, names in folders)
    found = Found()
    entries: Iterable[tuple[Path, _Entry]] = _entries(folders)
    for path, entry in say.track(entries, "reading headers", files) if say is not None and files > WORKERS else entries:
        if entry.header is not None:
            found.headers.append(entry.header)
        elif named_like_dicom(path):
            found.lost.append((path, LOST.get(entry.size, "holds no DICOM, though its name says so")))
        elif entry.size == 0 and without_ending(path):
            found.empty.append(path)
        elif is_archive(path):
            found.archives.append(path)
    return found


@dataclass
class _Entry:
    """What is kept of a file: `size` in bytes (-1: it cannot be opened), `changed` in ns, and its header, None: no DICOM."""

    size: int
    changed: int
    header: Header | None


def _entries(folders: Sequence[tuple[Path, Sequence[str]]]) -> Iterator[tuple[Path, _Entry]]:
    """Every file with what is kept of it, folder by folder; what is new goes into the cache as soon as a folder is done."""
    kept: dict[Path, dict[str, _Entry]] = {}

    def batches() -> Iterator[tuple[Path, Sequence[str]]]:
        for folder, names in folders:
            kept[folder] = _load(folder)
            yield from ((folder, names[start : start + BATCH]) for start in range(0, len(names), BATCH))

    def look(batch: tuple[Path, Sequence[str]]) -> tuple[Path, list[tuple[str, _Entry]]]:
        folder, names = batch
        return folder, [(name, _entry(folder / name, kept[folder].get(name))) for name in names]

    for folder, looked in groupby(in_order(look, batches(), WORKERS), key=lambda each: each[0]):
        entries: dict[str, _Entry] = {}
        for _, batch in looked:
            entries.update(batch)
            yield from ((folder / name, entry) for name, entry in batch)
        if entries != kept.pop(folder):
            _keep(folder, entries)


def _entry(path: Path, kept: _Entry | None) -> _Entry:
    try:
        status = path.stat()
        if kept is not None and (kept.size, kept.changed) == (status.st_size, status.st_mtime_ns):
            return kept
        return _Entry(status.st_size, status.st_mtime_ns, read_header(path) if status.st_size else None)
    except OSError:
        return _Entry(-1, 0, None)


def _cache_file(folder: Path) -> Path:
    name = hashlib.sha256(str(folder.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return cache_folder() / "dicom_headers" / f"{name}.json"


def _load(folder: Path) -> dict[str, _Entry]:
    """What is kept of a folder's files; nothing where it was kept by another version, or cannot be read."""
    try:
        content = json.loads(_cache_file(folder).read_text(encoding="utf-8"))
        if content["version"] != VERSION:
            return {}
        return {name: _Entry(size, changed, _thawed(folder / name, header)) for name, size, changed, header in content["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _keep(folder: Path, entries: dict[str, _Entry]) -> None:
    """Write what is known of a folder, for its owner's eyes alone; a cache that cannot be written costs time and nothing else."""
    if not any(entry.header for entry in entries.values()):
        return
    file = _cache_file(folder)
    files = [(name, entry.size, entry.changed, _frozen(entry.header)) for name, entry in entries.items()]
    with suppress(OSError, UnicodeError):
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(dir=file.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            json.dump({"version": VERSION, "files": files}, out, separators=(",", ":"))
        os.replace(name, file)


def _frozen(header: Header | None) -> dict[str, Any] | None:
    """A header as JSON, without its path and what it leaves out."""
    if header is None:
        return None
    default = Header(header.path)
    told = {each.name: getattr(header, each.name) for each in fields(Header) if getattr(header, each.name) != getattr(default, each.name)}
    if header.slices:
        told["slices"] = [{key: value for key, value in asdict(each).items() if key != "path"} for each in header.slices]
    return told


def _thawed(path: Path, told: dict[str, Any] | None) -> Header | None:
    if told is None:
        return None
    slices = tuple(Slice(path, **{name: _tuple(value) for name, value in each.items()}) for each in told.pop("slices", ()))
    return replace(Header(path, **{name: _tuple(value) for name, value in told.items()}), slices=slices)


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
