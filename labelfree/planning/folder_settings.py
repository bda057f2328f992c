"""What a verb is told of a folder that it looks at: the images, the table of labels, and keys that say how both are read."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from labelfree.errors import DataError, RecipeError
from labelfree.planning.survey import changed
from labelfree.progress import Progress
from labelfree.recipe import Data, Recipe
from labelfree.recipe_file import Overrides


def folder_data(folder: Path, labels: Path | None) -> Data:
    """Absolute paths. A relative table that is not where it was written may lie in the folder. Raises `DataError` where one is missing."""
    root = Path(os.path.abspath(folder.expanduser()))  # noqa: PTH100  (`resolve` would follow links)
    if not root.is_dir():
        raise DataError(f"{folder}: {'is a file; name its folder' if root.exists() else 'no such folder'}.")
    if labels is None:
        return _writable(Data(root=root))
    given = labels.expanduser()
    table = given if given.exists() or not (root / given).exists() else root / given
    if not table.exists():
        raise DataError(f"{labels}: no such table of labels, neither here nor in {root}.")
    return _writable(Data(root=root, labels=Path(os.path.abspath(table))))  # noqa: PTH100


def with_keys(data: Data, overrides: Overrides, domain: str | None, say: Progress, also: Sequence[str] = ()) -> Recipe:
    """`data` and `reader` with their keys changed, and those of `also`; no other has a meaning before there is a recipe."""
    keys = list(overrides) if isinstance(overrides, Mapping) else [text.partition("=")[0] for text in overrides]
    if others := [key for key in keys if not key.strip().startswith(("data.", "reader.", *also))]:
        known = "keys of data and reader" + "".join(f", and {key}," for key in also)
        raise RecipeError(f"{others[0]}: only {known} change what is looked at; give others to `labelfree run`.")
    recipe = changed(data, overrides, domain, say.say)
    _writable(recipe.data)
    return recipe


def _writable(data: Data) -> Data:
    for path in (data.root, data.labels, data.captions):
        try:
            str(path).encode("utf-8")
        except UnicodeEncodeError:
            raise DataError(f"{str(path)!r}: a name that is not UTF-8 cannot stand in a recipe; rename it.") from None
    return data
