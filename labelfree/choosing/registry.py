"""Strategies are found by name through the entry points `labelfree.strategies`."""

from __future__ import annotations

import difflib

from labelfree.choosing.base import Strategy
from labelfree.entry_points import installed_points
from labelfree.errors import RecipeError
from labelfree.recipe import installed_names

STRATEGIES = "labelfree.strategies"


def strategy_names() -> list[str]:
    """Names of the installed strategies."""
    return installed_names(STRATEGIES)


def find_strategy(name: str) -> Strategy:
    """The strategy called `name`. Raises RecipeError with the nearest name, or with all of them."""
    for point in installed_points(STRATEGIES):
        if point.name == name:
            strategy: Strategy = point.load()()
            return strategy
    near = difflib.get_close_matches(name, strategy_names(), 1)
    hint = f"did you mean {near[0]}?" if near else f"installed: {', '.join(strategy_names()) or 'none'}."
    raise RecipeError(f"strategy: {name!r} is not installed; {hint}")
