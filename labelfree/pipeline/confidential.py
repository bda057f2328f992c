"""Images of people: whether a run hides names, what it must hide besides ids, and which images are in none of its pictures."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np

from labelfree.data.pool import Pool
from labelfree.domain import Row
from labelfree.installed_domains import confidential, identifying_forms
from labelfree.pipeline.folder import RunFolder
from labelfree.recipe import Recipe
from labelfree.reporting.anonymise import IDENTIFYING
from labelfree.training.files import write_text


def with_sharing(recipe: Recipe) -> Recipe:
    """The recipe with what `report.share` becomes: as its domain says where the recipe does not. Raises RecipeError for no such domain."""
    if recipe.report.share != "auto":
        return recipe
    return recipe.model_copy(update={"report": recipe.report.model_copy(update={"share": confidential(recipe.domain)})})


def keep_identifying(folder: RunFolder, names: Iterable[str]) -> None:
    """Write what the files call their images into the run's private/, where `report` and `--share` look for what they must hide.

    Names of a form that is not `listed` are hidden by that alone.
    """
    forms = [re.compile(form.pattern) for form in identifying_forms(folder.recipe.domain) if not form.listed]
    if lines := sorted({" ".join(name.split()) for name in names if not any(form.fullmatch(name) for form in forms)} - {""}):
        write_text(folder.private / IDENTIFYING, "".join(f"{line}\n" for line in lines))


def withheld(pool: Pool, entries: Sequence[int] | np.ndarray) -> np.ndarray:
    """(n,) bool: which entries of a pool are in no picture of a run, since their pixels tell whose they are."""
    return np.array([pool.rows[entry].withheld for entry in entries], bool)


def told_withheld(rows: Sequence[Row]) -> list[str]:
    """A sentence for the report on images that are in no picture; none where all may be."""
    count = sum(row.withheld for row in rows)
    if not count:
        return []
    said = "1 image says" if count == 1 else f"{count:,} images say"
    return [
        f"{said} that text is burnt into the pixels: in no picture of the report, but networks see it; "
        "mask it or leave such images out, since a class may be told by it."
    ]
