"""Code of one's own that a recipe names as `module:factory`, from anything that can be imported."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from labelfree.errors import RecipeError

NAME = re.compile(r"[^\W\d][\w.]*:[^\W\d][\w.]*")


def imported(name: str, key: str, makes: str) -> Callable[..., Any]:
    """The function or class called `name`. `key`: of the recipe, for sentences; `makes`: what it is for. Raises RecipeError."""
    module, _, path = name.partition(":")
    if module.partition(".")[0] in sys.stdlib_module_names:  # a weight card may come from anyone
        raise RecipeError(f"{key}: {name} is part of Python and makes no {makes}.")
    try:
        found: Any = importlib.import_module(module)
    except Exception as error:
        where = f"neither installed nor in {Path.cwd()}" if isinstance(error, ModuleNotFoundError) and error.name == module else error
        raise RecipeError(f"{key}: the module {module} of {name} cannot be imported ({where}).") from error
    for part in path.split("."):
        if not hasattr(found, part):
            raise RecipeError(f"{key}: {module} has no {path}; name the function or class that makes the {makes}.")
        found = getattr(found, part)
    if not callable(found):
        raise RecipeError(f"{key}: {name} cannot be called; name the function or class that makes the {makes}.")
    made: Callable[..., Any] = found
    return made


@contextmanager
def current_folder() -> Iterator[None]:
    """Within: modules of the current folder can be imported, after all that are installed."""
    here = str(Path.cwd())
    if {"", here} & set(sys.path):
        yield
        return
    sys.path.append(here)
    try:
        yield
    finally:
        sys.path.remove(here)
