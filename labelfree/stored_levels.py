"""Which whole numbers files of a domain may hold: what runs an exported head elsewhere knows no domain, and refuses all others by them."""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable


class Levels(NamedTuple):
    """Whole numbers from 0 to `largest`, in steps of `step`."""

    largest: int
    step: int = 1


@runtime_checkable
class KnowsLevels(Protocol):
    """A domain whose reader knows which numbers its files hold, so that those of another scale are told."""

    def levels(self, unit: str) -> Levels | None:
        """Of images in this unit, counted in it; None of real numbers, and where nobody knows."""
        ...
