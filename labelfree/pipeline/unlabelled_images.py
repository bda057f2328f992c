"""The unlabelled images that protocols of a run learn from: those it pretrains on, whole, as labelled ones are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from labelfree.data.pool import Pool
from labelfree.data.rescaled_pool import RescaledPool
from labelfree.domain import Row
from labelfree.recipe import Recipe
from labelfree.transfer.question import Question
from labelfree.transfer.tasks import Task
from labelfree.transfer.unlabelled import MOST, Unlabelled, unlabelled_beside

FEWEST = 20  # images that say enough of others to prepare these by


def readers(recipe: Recipe, task: Task) -> list[str]:
    """The recipe's protocols that learn from unlabelled images."""
    return [name for name in recipe.evaluate.protocols if task.protocol(name).reads_rest]


def unlabelled_images(
    recipe: Recipe, question: Question, images: Pool, pool: Pool, rows: Sequence[Row], build: Callable[[list[Row]], Pool]
) -> tuple[Unlabelled | None, list[str]]:
    """The images, and sentences for the report; None where no protocol reads any, or there are none.

    `images`: the labelled and scored ones. `pool`, `rows`: what is pretrained on; where its entries are whole images nothing is read
    again, else `build` makes a pool of whole ones.
    """
    asked = readers(recipe, question.task)
    if not asked:
        return None, []
    notes = []
    names = " and ".join(asked)
    held = {row.id for row in pool.images}
    rows = [row for row in rows if row.id in held]
    if len(rows) > MOST:
        drawn = np.random.default_rng(recipe.seed).choice(len(rows), MOST, replace=False)
        notes.append(f"{names}: a random {MOST:,} of the {len(rows):,} images pretrained on are learned from.")
        rows = [rows[at] for at in sorted(drawn)]
    whole = pool if pool.tile is None else build(list(rows)) if rows else pool
    if (whole.scale, whole.offset) != (images.scale, images.offset):  # arms read every image as labelled ones are stored
        whole = RescaledPool(whole, images.scale, images.offset)
    found = unlabelled_beside(question, whole, rows, images)
    if len(found) < FEWEST:
        why = f"{len(found) or 'no'} {'image' if len(found) == 1 else 'images'} without a label may be learned from"
        return None, [f"{names}: {why}, fewer than {FEWEST}, so the labelled ones alone are."]
    return found, notes
