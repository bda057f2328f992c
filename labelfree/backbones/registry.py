"""Networks are found by name: every family among the entry points `labelfree.backbones` is asked whether it knows it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cache
from typing import Any, Protocol

from torch import Tensor

from labelfree.backbones.base import Backbone
from labelfree.entry_points import installed_points
from labelfree.errors import RecipeError

GROUP = "labelfree.backbones"


class Family(Protocol):
    """Networks of one origin, made by name."""

    def knows(self, name: str) -> bool:
        """Whether it can make a network of this name."""
        ...

    def near(self, name: str) -> list[str]:
        """A few names it knows that resemble one that nobody does."""
        ...

    def make(self, name: str, channels: int, dims: int | None, options: Mapping[str, Any]) -> Backbone:
        """The network, started at random, for so many input channels and spatial axes (None: nobody knows yet, any will do).

        Raises RecipeError naming `backbone.name` or `backbone.options`.
        """
        ...

    def published(self, name: str, options: Mapping[str, Any]) -> dict[str, Tensor]:
        """The tensors that are published for its network of this name, ImageNet's where it says no other, without classifier.

        They fit what `make` gives for three channels. Raises RecipeError where there are none.
        """
        ...


def family_of(name: str) -> Family:
    """The family that knows `name`. Raises RecipeError with names that resemble it, and with families that could not be imported."""
    installed = _installed(*sys.path)
    sound = [family for family in installed.values() if not isinstance(family, Exception)]
    for family in sound:
        if family.knows(name):
            return family
    if not installed:
        raise RecipeError("backbone.name: no networks are installed; pip install labelfree once more: its entry points are missing.")
    near = [known for family in sound for known in family.near(name)]
    hint = f"did you mean {', '.join(near)}?" if near else "`timm.list_models()` shows timm's."
    broken = [f" Networks of {point} cannot be imported ({error})." for point, error in installed.items() if isinstance(error, Exception)]
    own = "A network of your own is named module:factory."
    raise RecipeError(f"backbone.name: no network is called {name!r}; {hint} {own}{''.join(broken)}")


@cache
def _installed(*path: str) -> dict[str, Family | Exception]:
    """Families, or why one cannot be imported, by the names of their entry points; looked for once on each path of packages."""
    found: dict[str, Family | Exception] = {}
    for point in sorted(installed_points(GROUP), key=lambda point: point.name):
        try:
            found[point.name] = point.load()()
        except Exception as error:  # whatever a third party's module does when it is imported
            found[point.name] = error
    return found
