"""The key of a pool: which contents, read how. Equal keys mean equal pixels, so a pool of that name can be reopened."""

from __future__ import annotations

import hashlib
import html
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from labelfree.data.pool_index import digest
from labelfree.data.threads import in_order
from labelfree.domain import Row, Sample

SMALL = 2**20  # files up to this size are hashed whole
WORLDS = (
    ".pgw", ".pngw", ".pgwx", ".jgw", ".jpgw", ".jpegw", ".jgwx", ".tfw", ".tifw", ".bpw", ".bmpw", ".bpwx", ".wpw", ".webpw", ".wpwx",
)  # fmt: skip
BESIDE = (".aux.xml", ".msk", ".wld", ".prj", *WORLDS)


def content_key(rows: Sequence[Row], read: Callable[[Row], Sample], settings: Mapping[str, Any], workers: int | None = None) -> str:
    """Hash of the rows' ids and contents and of the settings. Labels, groups and splits play no part, but whether masks or boxes lie on an
    image: it is never read coarser then.
    """
    seen = hashlib.blake2b(json.dumps(settings, sort_keys=True, default=str).encode(), digest_size=12)
    files = list(dict.fromkeys(_file(row) for row in rows if row.item is None and row.remote is None))
    marks = dict(zip(files, in_order(file_mark, files, workers), strict=True))
    # A user's own data set has no files to look at: its items are read.
    items = [row for row in rows if row.item is not None]
    pixels = dict(zip((row.id for row in items), in_order(lambda row: digest(read(row)), items, workers), strict=True))
    beside = _beside({file.parent for file in files})
    for row in rows:
        if row.item is not None:
            mark = pixels[row.id]
        else:
            mark = row.remote or marks[_file(row)] + _parts_mark(row.files)  # what lies at an address is taken to stay
        dense = "dense\n" if row.mask or row.boxes else ""
        side_files = beside.get((row.path.parent, row.path.stem), "") + beside.get((row.path.parent, row.path.name), "")
        seen.update(f"{row.id}\n{row.path.name}\n{mark}\n{dense}{side_files}".encode())
    return seen.hexdigest()


def _named_in(path: Path) -> list[Path]:
    """The files that a mosaic (.vrt) is put together of; none for anything else."""
    if path.suffix.lower() != ".vrt":
        return []
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    named = re.findall(r"<SourceFilename[^>]*>([^<]+)</SourceFilename>", text)
    return sorted({source for name in named if (source := path.parent / html.unescape(name)).is_file()})


def _beside(folders: Iterable[Path]) -> dict[tuple[Path, str], str]:
    """Size and time of files that say more of the image of their name: where it lies, which of its pixels hold anything."""
    marks: dict[tuple[Path, str], str] = {}
    for folder in folders:
        if not folder.is_dir():
            continue
        with os.scandir(folder) as entries:
            for entry in sorted((entry for entry in entries if entry.name.lower().endswith(BESIDE)), key=lambda entry: entry.name):
                name = entry.name[: -len(".aux.xml")] if entry.name.lower().endswith(".aux.xml") else entry.name.rpartition(".")[0]
                status = entry.stat()
                marks[folder, name] = f"{marks.get((folder, name), '')}{entry.name} {status.st_size} {status.st_mtime_ns}\n"
    return marks


def file_mark(path: Path) -> str:
    """A file's content: hashed whole up to 1 MiB; above, its size, time, first and last MiB. A folder: its files' sizes and times. A
    mosaic: its own, and that of the files which it names.
    """
    if path.is_dir():
        inside = sorted(file for file in path.rglob("*") if file.is_file())
        text = "".join(f"{file.relative_to(path).as_posix()} {file.stat().st_size} {file.stat().st_mtime_ns}\n" for file in inside)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    parts = "".join(file_mark(source) for source in _named_in(path) if source.suffix.lower() != ".vrt")
    try:
        with path.open("rb") as file:
            seen = hashlib.blake2b(file.read(SMALL), digest_size=16)
            size = file.seek(0, 2)
            if size > SMALL:
                file.seek(max(SMALL, size - SMALL))
                seen.update(f"{size} {path.stat().st_mtime_ns}".encode())
                seen.update(file.read(SMALL))
            seen.update(parts.encode())
    except OSError:
        return "unreadable"  # the reader will say so in its own words
    return seen.hexdigest()


def _parts_mark(files: Sequence[Path]) -> str:
    """Names, sizes and times of the files that an image is made of, as of a folder's; nothing where it is one file."""
    if len(files) < 2:
        return ""
    lines = "".join(f"{file.name} {status.st_size} {status.st_mtime_ns}\n" for file in files if (status := file.stat()))
    return hashlib.blake2b(lines.encode(), digest_size=16).hexdigest()


def _file(row: Row) -> Path:
    """The file of a row; `archive.npz#images[3]` names an item of one."""
    return row.path if row.path.exists() else Path(str(row.path).partition("#")[0])
