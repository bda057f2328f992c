"""Types of an objective's options that say which numbers are possible: `temperature: Positive = 0.2`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Annotated, Any, get_args, get_type_hints

from labelfree.errors import RecipeError


@dataclass(frozen=True)
class Range:
    """Numbers from `least` to `most`; `least` itself only when `closed`."""

    least: float
    most: float = inf
    closed: bool = True

    def __contains__(self, value: float) -> bool:
        return (self.least <= value if self.closed else self.least < value) and value <= self.most

    def __str__(self) -> str:
        if self.most < inf:
            return f"from {self.least:g} to {self.most:g}"
        return f"{self.least:g} or more" if self.closed else f"above {self.least:g}"


Positive = Annotated[float, Range(0, closed=False)]
Weight = Annotated[float, Range(0)]
Share = Annotated[float, Range(0, 1)]
Count = Annotated[int, Range(1)]
Several = Annotated[int, Range(2)]
AnyNumber = Annotated[int, Range(0)]


def ranges(constructor: Callable[..., Any]) -> dict[str, Range]:
    """The ranges that the keywords of an objective's constructor are annotated with; none where a name in it cannot be resolved."""
    try:
        hints = get_type_hints(constructor, include_extras=True)
    except NameError:  # imported for type checkers only
        return {}
    found = {key: [extra for extra in get_args(hint)[1:] if isinstance(extra, Range)] for key, hint in hints.items()}
    return {key: extras[0] for key, extras in found.items() if extras}


def require_range(key: str, value: float, possible: Range) -> None:
    """Raises RecipeError when the option `key` is a number that it cannot be."""
    if value not in possible:
        raise RecipeError(f"pretrain.options.{key}: {value:g} is not possible; take a number {possible}.")
