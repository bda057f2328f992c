"""What every process of a run but the first does: its share of the pretrainings. It exports and reports nothing, and is silent."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

from labelfree.errors import DataError
from labelfree.pipeline.context import Context
from labelfree.pipeline.folder import RunFolder, stoppable
from labelfree.pipeline.inputs import Inputs
from labelfree.pipeline.pretraining_plans import plan_pretrainings
from labelfree.pipeline.pretrainings import carry_out
from labelfree.pipeline.step_revision import settled
from labelfree.progress import Silent
from labelfree.recipe import Recipe
from labelfree.training.processes import broadcast, gathered, this_process
from labelfree.training.signals import raise_on_terminate


def share_out(run: Context, inputs: Inputs) -> None:
    """The first process's part: tell the others where the run is and what the images are; their pixels they read from the pool.

    Where nothing is pretrained they may leave.
    """
    shared = replace(inputs, manifest=replace(inputs.manifest, read=None)) if run.pretraining else None  # a user's own reader stays here
    broadcast((run.folder.home.resolve(), shared))
    if shared is not None:
        _require_shared_disk(shared, run.folder.path)


def assist(recipe: Recipe) -> Path:
    """The others' part: wait for what `share_out` says, then pretrain with the first. Returns the run's folder."""
    nothing: tuple[Path, Inputs | None] = (Path(), None)
    with raise_on_terminate():
        path, inputs = broadcast(nothing)
    if inputs is None:
        return path
    with stoppable(path), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the first process has the same to say
        run = Context(recipe, RunFolder(path, recipe), Silent())
        _require_shared_disk(inputs, run.folder.path)
        planned = plan_pretrainings(run, inputs)
        for job in planned.jobs:
            carry_out(run, settled(run, job, planned), inputs)
    return path


def _require_shared_disk(inputs: Inputs, path: Path) -> None:
    """Raises DataError, on every process, where one of them does not see the run's folder or the pool."""
    unseen = [folder for folder in (inputs.pool.folder.resolve(), path.resolve()) if not folder.is_dir()]
    found = gathered((this_process().rank, unseen))
    if blind := [(rank, folders[0]) for rank, folders in found if folders]:
        rank, folder = blind[0]
        raise DataError(f"{folder}: process {rank} does not see it; keep --out and pool.dir on a disk that all machines share.")
