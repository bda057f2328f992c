"""Files that are whole or absent: written under a temporary name, fsynced, renamed."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from labelfree.errors import TrainingError

BLOCK = 2**20  # bytes read together


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`; on success it takes its place, on failure nothing changes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        with temporary.open("rb+") as handle:
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    except Exception as error:
        if is_disk_full(error):
            raise TrainingError(f"{path}: the disk is full; what was there before is intact. Free some space and resume.") from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def is_disk_full(error: BaseException) -> bool:
    """Whether `error` means that no space was left (torch reports it in words only)."""
    message = str(error)
    by_number = isinstance(error, OSError) and error.errno == errno.ENOSPC
    return by_number or "No space left" in message or "enforce fail at inline_container" in message


def write_text(path: Path, text: str) -> None:
    """Write `text` as a whole file."""
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as a whole JSON file."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, default=_plain) + "\n")


def read_json(path: Path) -> Any:
    """The JSON file's value."""
    return json.loads(path.read_text(encoding="utf-8"))


def digest_of(file: Path) -> str:
    """Of a file's bytes."""
    state = hashlib.blake2b(digest_size=8)
    with file.open("rb") as stream:
        while block := stream.read(BLOCK):
            state.update(block)
    return state.hexdigest()


def kept_secret(path: Path) -> bytes:
    """The 32 random bytes that `path` keeps, for its owner's eyes alone; made at first use."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_bytes()
    with os.fdopen(handle, "wb") as stream:
        stream.write(secrets.token_bytes(32))
    return path.read_bytes()


def call_with(path: Path, save: Callable[[Path], object]) -> None:
    """Let `save` write the file, whole."""
    with whole_file(path) as part:
        save(part)


def _plain(value: Any) -> Any:
    if hasattr(value, "item"):
        return value.item()
    if isinstance(value, Path):
        return value.as_posix()
    raise TypeError(f"{type(value).__name__} has no JSON form")
