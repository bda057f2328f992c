"""What a domain says of images of people, asked of it as a class: that runs hide names, and how its files write what must be hidden."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class Confidential(Protocol):
    """A domain of images of people. `confidential`: whether `report.share` is true unless a recipe says otherwise."""

    confidential: bool


@dataclass(frozen=True)
class IdentifyingForm:
    """Text that tells who somebody is by how it is written, such as a number of a register.

    `pattern`: a regular expression; what looks alike and may stay, it leaves out itself. `separator`: what stands between the parts of such
    a name, each of which identifies too. `listed`: whether those that files hold are looked for by name besides; False where a large set
    has too many.
    """

    pattern: str
    separator: str = ""
    listed: bool = True


class IdentifiesByForm(Protocol):
    """A domain whose files tell who somebody is in certain forms: whatever has one is hidden in all that may leave."""

    identifying_forms: Sequence[IdentifyingForm]
