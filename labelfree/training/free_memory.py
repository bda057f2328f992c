"""How much memory there is and how much of it is free: of this machine, or of the part that a container or a scheduler gives."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

UNKNOWN = 16 * 2**30  # bytes, where the system does not say
KEPT = 0.5  # share of what a step takes that it keeps for its backward pass, at least (docs/pretraining.md, "Memory")
MEMORY = Path("/proc/meminfo")
GROUPS_OF_THIS = Path("/proc/self/cgroup")  # a line a controller: number:names:path
CONTROLLERS = Path("/sys/fs/cgroup")


class _Names(NamedTuple):
    """Of the files in which a group of processes says what it may take, what it takes, and which of that are copies of files."""

    most: str
    taken: str
    copies: str


FIRST = _Names("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")  # of version 1 of Linux's control groups
SECOND = _Names("memory.max", "memory.current", "inactive_file")


def physical_bytes() -> float | None:
    """This machine's memory, where the system says."""
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):  # Windows
        return None


def given_bytes() -> float:
    """This machine's memory, or the most that a group of processes around this one may take."""
    return min([physical_bytes() or UNKNOWN, *(most for most, _ in _limits())])


def free_bytes() -> float:
    """What may still be taken before something has to go; copies of files that can be read again count as free.

    Where the system does not say, as outside Linux: all that there is.
    """
    available = _number_after(MEMORY, "MemAvailable:")
    free = (physical_bytes() or UNKNOWN) if available is None else 1024 * available
    return max(0.0, min([free, *(most - taken for most, taken in _limits())]))


def free_gpu_bytes() -> float:
    """Of the current GPU: what is free, and what this process holds without using it."""
    import torch

    free, _ = torch.cuda.mem_get_info()
    return float(free + torch.cuda.memory_reserved() - torch.cuda.memory_allocated())


def bytes_for_a_step() -> float:
    """What a step may keep for its backward pass on a processor, so that all that it takes is free."""
    return KEPT * free_bytes()


def _limits() -> Iterator[tuple[float, float]]:
    """Bytes that a group of processes around this one may take, and takes: of each that has a limit."""
    try:
        lines = GROUPS_OF_THIS.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            top, names = CONTROLLERS, SECOND
        elif "memory" in controllers.split(","):
            top, names = CONTROLLERS / "memory", FIRST
        else:
            continue
        group = top / path.lstrip("/")
        for folder in (group, *group.parents):  # a path may be that outside of a container, which shows its own group at the top
            most, taken = _number_after(folder / names.most), _number_after(folder / names.taken)
            if most is not None and taken is not None:
                yield most, taken - (_number_after(folder / "memory.stat", names.copies) or 0)
            if folder == top:
                break


def _number_after(file: Path, word: str = "") -> float | None:
    """The number behind `word` at the start of a line, without one of the first line; None where there is no number, or no such file."""
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return None
    number = next((line.removeprefix(word).split()[:1] for line in lines if line.split()[:1] == [word] or not word), [])
    return float(number[0]) if number and number[0].isdigit() else None
