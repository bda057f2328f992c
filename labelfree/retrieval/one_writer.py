"""One process at a time adds to an index: the lock is the operating system's, so that a process that was killed holds none."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from labelfree.errors import DataError

LOCK, HOLDER = ".lock", ".lock.by"  # in the index's folder: what is locked, and who holds it, in words


def ours(path: Path) -> bool:
    """Whether a file in a folder is there for the lock alone."""
    return path.name in (LOCK, HOLDER)


@contextmanager
def one_writer(folder: Path) -> Iterator[None]:
    """Within: no other process adds to the index in `folder`, which is made, and is gone again where nothing was put into it.

    Raises DataError that says who does, or that nothing may be written there.
    """
    from filelock import FileLock, Timeout

    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK)
        with suppress(NotImplementedError):  # a file system without locks
            lock.acquire(timeout=0)
    except Timeout:
        raise DataError(
            f"{folder}: {_holder(folder)} is adding to this index; wait until it is done, or name a new one with --out."
        ) from None
    except OSError as error:
        raise DataError(f"{folder}: nothing can be written there ({error.strerror}); name another folder with --out.") from error
    try:
        (folder / HOLDER).write_text(f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8")
        yield
    finally:
        (folder / HOLDER).unlink(missing_ok=True)
        if os.name == "posix":  # elsewhere what is open cannot be removed
            (folder / LOCK).unlink(missing_ok=True)
        lock.release()
        with suppress(OSError):
            (folder / LOCK).unlink(missing_ok=True)
            folder.rmdir()  # only where nothing is in it


def _holder(folder: Path) -> str:
    try:
        return (folder / HOLDER).read_text(encoding="utf-8") or "another process"
    except OSError:
        return "another process"
