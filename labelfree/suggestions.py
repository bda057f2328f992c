"""What a domain suggests for recipe keys that nobody set: defaults with reasons, and keys of its reader for what a set of images holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from labelfree.samples import Sample


@dataclass(frozen=True)
class Default:
    """A value that a domain suggests for a recipe key left `auto`, with the reason a person is shown."""

    value: Any
    reason: str


Defaults = Mapping[str, Default]  # dotted recipe key -> suggestion


@runtime_checkable
class Flattens(Protocol):
    """A domain of volumes that can read them as pictures. `flattening`: keys of its reader that make it do so, with the reason."""

    flattening: Mapping[str, Default]


@runtime_checkable
class Unites(Protocol):
    """A domain whose reader can make one set of images that differ in their channels. `labelfree plan` asks it; a run refuses them."""

    def uniting(self, channels: Mapping[tuple[str, ...], int]) -> Mapping[str, Default]:
        """Keys of its reader by which images of all these channels are read alike, each with the reason; none where no key does.

        `channels`: what images hold, and how many of those looked at hold that.
        """
        ...


@runtime_checkable
class Settles(Protocol):
    """A domain with keys of its reader that no file tells and a set does, such as how many of their bits stored numbers use.

    `labelfree plan` writes them into its recipe, `data` and a run look before they read, and weights carry them along.
    """

    def settling(self, samples: Iterable[Sample]) -> Mapping[str, Default]:
        """Such keys, each with the reason, by a few images spread over a set; none where the settings say them, or nothing tells."""
        ...
