"""What every stage of a run is given: the recipe, the folder, who is told, and what of the run is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from labelfree.data.manifest import Manifest
from labelfree.pipeline.folder import RunFolder
from labelfree.progress import Progress
from labelfree.recipe import Recipe


@dataclass(frozen=True)
class Context:
    """One run under way. `manifest`: a user's own data instead of what the recipe's `data` names.

    `pretraining`, `comparing`: which of the two was asked for. `every_label_out`: whether images with a label of any task stay out of the
    pool, as where only pretraining was asked for. `weights`: the run whose pretrained networks were taken over.
    """

    recipe: Recipe
    folder: RunFolder
    say: Progress
    manifest: Manifest | None = None
    pretraining: bool = True
    comparing: bool = True
    every_label_out: bool = False
    weights: Path | None = None
