"""Protocols are found by name through the entry points `labelfree.protocols`."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points

from labelfree.errors import RecipeError
from labelfree.transfer.protocols.base import HeadProtocol

GROUP = "labelfree.protocols"


def protocol_names() -> list[str]:
    """Names of the installed protocols."""
    return sorted({point.name for point in entry_points(group=GROUP)})


@cache
def find_protocol(name: str) -> HeadProtocol:
    """The protocol called `name`. Raises RecipeError that lists what is installed."""
    for point in entry_points(group=GROUP, name=name):
        protocol: HeadProtocol = point.load()()
        return protocol
    raise RecipeError(f"evaluate.protocols: {name!r} is not installed; installed protocols: {', '.join(protocol_names()) or 'none'}.")
