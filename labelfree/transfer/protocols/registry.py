"""Protocols are found by name through the entry points `labelfree.protocols`."""

from __future__ import annotations

from functools import cache

from labelfree.recipe import PROTOCOLS
from labelfree.transfer.plugins import made
from labelfree.transfer.protocols.base import HeadProtocol


@cache
def find_protocol(name: str) -> HeadProtocol:
    """The protocol called `name`. Raises RecipeError that lists what is installed."""
    protocol: HeadProtocol = made(PROTOCOLS, name, "evaluate.protocols")
    return protocol
