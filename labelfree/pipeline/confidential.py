"""Images of people: whether a run hides names, what it must hide besides ids, and which images are in none of its pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from labelfree.data.pool import Pool
from labelfree.domain import Confidential, Domain, Row
from labelfree.installed_domains import confidential
from labelfree.pipeline.folder import RunFolder
from labelfree.recipe import Recipe
from labelfree.reporting.anonymise import IDENTIFYING
from labelfree.training.files import write_text


def with_sharing(recipe: Recipe) -> Recipe:
    """The recipe with what `report.share` becomes: as its domain says where the recipe does not. Raises RecipeError for no such domain."""
    if recipe.report.share != "auto":
        return recipe
    return recipe.model_copy(update={"report": recipe.report.model_copy(update={"share": confidential(recipe.domain)})})


def keep_identifying(folder: RunFolder, domain: Domain, rows: Sequence[Row]) -> None:
    """Write what the images' files say of people into the run's private/, where `report` and `--share` look for what they must hide."""
    if isinstance(domain, Confidential):
        lines = sorted({" ".join(word.split()) for word in domain.identifying(rows)} - {""})
        write_text(folder.private / IDENTIFYING, "".join(f"{line}\n" for line in lines))


def withheld(domain: Domain, pool: Pool, entries: Sequence[int] | np.ndarray) -> np.ndarray:
    """(n,) bool: which entries of a pool are in no picture of a run, since their pixels tell whose they are."""
    if not isinstance(domain, Confidential):
        return np.zeros(len(entries), bool)
    return np.array([domain.withheld(pool.rows[entry]) for entry in entries], bool)


def told_withheld(domain: Domain, rows: Sequence[Row]) -> list[str]:
    """A sentence for the report on images that are in no picture; none where all may be."""
    count = sum(map(domain.withheld, rows)) if isinstance(domain, Confidential) else 0
    if not count:
        return []
    said = "1 image says" if count == 1 else f"{count:,} images say"
    return [
        f"{said} that text is burnt into the pixels: in no picture of the report, but networks see it; "
        "mask it or leave such images out, since a class may be told by it."
    ]
