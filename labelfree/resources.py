"""Recipes and data cards: from the checkout's folders first, else from those packed into the wheel."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Literal

from labelfree.errors import DataError, RecipeError

Kind = Literal["recipes", "data_cards"]
PACKAGE = Path(__file__).parent
SUFFIX: dict[Kind, str] = {"recipes": ".yaml", "data_cards": ".md"}


def folder(kind: Kind) -> Path:
    """The folder that holds the recipes or cards of this installation."""
    checkout = PACKAGE.parent
    # Beside an installed package, a folder called `recipes` alone would be somebody else's.
    if all((checkout / part).is_dir() for part in ("domains", "recipes", "data_cards")):
        return checkout / kind
    return PACKAGE / "_resources" / kind


def resource_names(kind: Kind) -> list[str]:
    """Names without suffix, sorted."""
    return sorted(path.stem for path in folder(kind).glob(f"*{SUFFIX[kind]}"))


def resource(kind: Kind, name: str) -> Path:
    """The file of a recipe or card called `name` (its suffix may be left out).

    Raises `RecipeError` or `DataError`, with the nearest name, when there is none.
    """
    stem = name.removesuffix(SUFFIX[kind])
    names = resource_names(kind)
    if stem in names:
        return folder(kind) / f"{stem}{SUFFIX[kind]}"
    nearest = difflib.get_close_matches(stem, names, n=1)
    hint = f"did you mean {nearest[0]}?" if nearest else f"there are: {', '.join(names) or 'none'}."
    if kind == "recipes":
        raise RecipeError(f"{name}: neither a file nor a recipe of labelfree; {hint}")
    raise DataError(f"data.card: {name!r} is neither a file nor a card of labelfree; {hint}")
