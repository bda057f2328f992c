"""Tasks and protocols are found by name through entry points."""

from __future__ import annotations

from functools import cache
from typing import Any

from labelfree.entry_points import installed_points
from labelfree.errors import RecipeError
from labelfree.recipe import installed_names


@cache
def made(group: str, name: str, key: str) -> Any:
    """What the entry point `name` of a group makes, once. Raises RecipeError that names the recipe's `key` and lists what is installed."""
    for point in installed_points(group):
        if point.name == name:
            return point.load()()
    kind, known = group.partition(".")[2], ", ".join(installed_names(group)) or "none"
    raise RecipeError(f"{key}: {name!r} is not installed; installed {kind}: {known}.")
