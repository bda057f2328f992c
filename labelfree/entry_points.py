"""Entry points of installed packages: what brings domains, tasks, protocols, objectives, networks and strategies."""

from __future__ import annotations

import importlib.metadata
import sys
from functools import cache
from importlib.metadata import EntryPoint


def installed_points(group: str) -> tuple[EntryPoint, ...]:
    """The entry points of a group. Every installed package is read for them, so they are looked for once on each path of packages."""
    return _on_path(group, *sys.path)


@cache
def _on_path(group: str, *path: str) -> tuple[EntryPoint, ...]:
    return tuple(importlib.metadata.entry_points(group=group))
