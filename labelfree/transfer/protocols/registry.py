"""Protocols are found by name through entry points: `labelfree.protocols` those of vectors, `labelfree.map_protocols` those of maps."""

from __future__ import annotations

from typing import Any

from labelfree.recipe import PROTOCOLS
from labelfree.transfer.plugins import made


def find_protocol(name: str, group: str = PROTOCOLS) -> Any:
    """The protocol called `name` in a group of entry points. Raises RecipeError that lists what is installed."""
    return made(group, name, "evaluate.protocols")
