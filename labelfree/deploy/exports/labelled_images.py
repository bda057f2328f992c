"""Labelled images that an export is tried on: those that are named, else those of the run whose folder a head lies in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch

from labelfree.backbones.weights import accepted
from labelfree.data.manifest import load_manifest
from labelfree.data.measured_pixels import finite
from labelfree.data.pool import at_even_steps
from labelfree.data.set_labels import SetLabels
from labelfree.deploy.head_file import FOLDER
from labelfree.deploy.input_images import input_images
from labelfree.deploy.loaded_head import WHO, LoadedHead
from labelfree.domain import Domain, Row, Sample
from labelfree.errors import DataError, RecipeError
from labelfree.recipe_file import Overrides, load_recipe
from labelfree.transfer.tasks.registry import find_task

MOST, LEAST, MOST_PIXELS = 200, 4, 2**26  # images, and pixels of them all: large ones are looked at in tiles, twice each


@dataclass(frozen=True)
class TrialImages:
    """`rows` of images, read by `domain`; `words`: what they are."""

    domain: Domain
    rows: list[Row]
    words: str

    def samples(self) -> Iterator[Sample]:
        """Those that can be read."""
        for row in self.rows:
            try:
                yield finite(self.domain.read(row).with_one_scale())
            except DataError:
                continue


def trial_images(head: LoadedHead[Any], given: Sequence[str | Path], overrides: Overrides, out: Path, tell: Any) -> TrialImages:
    """At even steps, at most MOST of them; of large ones fewer. Raises DataError where images that are named are not there."""
    if given:
        images = input_images(given, head.card, overrides, out, tell)
        return _spread(TrialImages(images.domain, images.rows, "images"))
    return _spread(TrialImages(head.domain, _of_run(head), "labelled images"))


def _spread(images: TrialImages) -> TrialImages:
    """As many at even steps as hold MOST_PIXELS where all are as large as the first that can be read."""
    first = next(images.samples(), None)
    fitting = MOST if first is None else max(LEAST, MOST_PIXELS // prod(first.data.shape[1:]))
    return replace(images, rows=at_even_steps(images.rows, min(MOST, fitting)))


def _of_run(head: LoadedHead[Any]) -> list[Row]:
    """Labelled rows of the run, none where the head lies elsewhere or the images are gone."""
    run = head.path.absolute().parent.parent
    if head.path.absolute().parent.name != FOLDER or not (run / "recipe.yaml").is_file():
        return []
    task = find_task(head.card.task)
    try:
        data = load_recipe(run).data
        rows = task.reading(SetLabels(load_manifest(data, head.domain), head.domain, data.absent)).rows
    except (DataError, RecipeError):
        return []
    return list(filter(task.labelled, rows))


def stored_pixels(head: LoadedHead[Any], sample: Sample) -> np.ndarray:
    """(C, H, W) float32 as the files of the head's images hold them, channels in its order. Raises DataError for another image."""
    images = head.card.images
    physical = accepted(images, sample, WHO)
    order = [sample.channels.index(name) for name in images.channels]
    own = [(sample.scale[at], sample.offset[at]) for at in order]
    if own == list(zip(images.scale, images.offset, strict=True)):
        return sample.data[order].float().numpy()
    scale, offset = (torch.tensor(each, dtype=torch.float64).view(-1, 1, 1) for each in (images.scale, images.offset))
    return ((physical.double() - offset) / scale).float().numpy()
