"""Protocols: how the worth of features is judged. One file a protocol, found by entry points (`labelfree.protocols`)."""

from labelfree.transfer.protocols.base import Fit, Head, HeadProtocol, Protocol, one_thread
from labelfree.transfer.protocols.registry import find_protocol
from labelfree.transfer.protocols.scaling import PREPARATIONS, Preparation, prepare, unit_rows

__all__ = [
    "PREPARATIONS", "Fit", "Head", "HeadProtocol", "Preparation", "Protocol", "find_protocol", "one_thread", "prepare", "unit_rows",
]  # fmt: skip
