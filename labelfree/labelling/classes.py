"""The classes that a person chooses from, and the key that gives each: 1 to 9, then the letters that are no commands."""

from __future__ import annotations

import csv
import string
from collections.abc import Iterable, Sequence

from labelfree.data.table_cells import differ_in_case, name_of, names_in
from labelfree.errors import RecipeError

COMMANDS = "us"  # undo, skip: the other commands are no letters
KEYS = "123456789" + "".join(letter for letter in string.ascii_lowercase if letter not in COMMANDS)


def class_names(given: str | Sequence[str], known: Iterable[str] = ()) -> tuple[str, ...]:
    """The classes `given`, as a list or apart by commas (one that holds a comma in quotes), then those `known` from a table, sorted.

    Raises RecipeError for one that is empty, named twice, or that a table could not hold, and where there are fewer than two.
    """
    try:
        parts = (
            next(csv.reader([given], skipinitialspace=True, strict=True), []) if isinstance(given, str) else [str(part) for part in given]
        )
    except csv.Error as error:
        raise RecipeError(f'--classes: {given}: a quote (") is opened and never closed; close it.') from error
    names = [name_of(part) for part in parts]
    if "" in names:
        raise RecipeError(f"--classes: class {names.index('') + 1} of {len(names)} has no name; name it, or leave out the comma.")
    for part, name in zip(parts, names, strict=True):
        if names_in([name])[0] != [name] or not name.isprintable():
            raise RecipeError(f"--classes: {part!r} would not be read back as a class from a table; call it otherwise.")
    if twice := [name for at, name in enumerate(names) if name in names[:at]]:
        raise RecipeError(f"--classes: {twice[0]} is named twice; name it once.")
    if names and (alike := differ_in_case([*names, *known])):
        raise RecipeError(f"--classes: {' and '.join(alike[0])} differ in capitals alone; write it one way, as the table has it.")
    every = (*names, *sorted(set(known) - set(names)))
    if len(every) < 2:
        raise RecipeError("--classes: name the classes to choose from, at least two, such as --classes forest,pasture,water.")
    return every


def keys_of(classes: Sequence[str]) -> list[str]:
    """The key of each class; "" for those after the last key, which are found by typing."""
    return [*KEYS[: len(classes)], *[""] * (len(classes) - len(KEYS))]
