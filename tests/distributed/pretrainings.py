"""Whole pretrainings, as a run carries them out, whose batches of views do not depend on how many processes share them."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from labelfree.errors import LabelfreeError
from labelfree.objectives import Objective, Step, Views
from labelfree.objectives.distributed import everyone
from labelfree.pretraining.fit import checkpoint_step, fit
from labelfree.progress import Silent
from labelfree.views import ViewPipeline
from labelfree.views.pipeline import Drawn
from tests.distributed.cases import held, smooth
from tests.pretraining.small import SmallJob, flatten, small_cnn, small_job
from tests.pretraining.small import views as drawn_views

STEPS, HEAD_ONLY = 6, 2


class Mirrored(ViewPipeline):
    """Every second view is the image in a mirror: nothing is drawn."""

    def multi_crop(self, stored: Tensor, n: tuple[int, int], *asked: Any, **more: Any) -> Iterator[Drawn]:
        physical = self.physical(stored)
        for number in range(sum(n)):
            x = physical.flip(-1) if number % 2 else physical
            yield Drawn(x, self.normalise(x), None)


def job(folder: Path, harm: Callable[[Objective], object] = smooth) -> SmallJob:
    """A CNN with BatchNorm that stands still for the first steps."""
    drawn = drawn_views()
    views = Mirrored(drawn.augmentation, drawn.normalise, [1.0] * 3, [0.0] * 3)
    plan = {"steps": STEPS, "head_only": HEAD_ONLY, "batch_size": 16, "optimiser": "sgd", "lr": 0.01, "on_collapse": "warn"}
    return replace(small_job(folder, "simclr", start=small_cnn, harm=harm, **plan), views=views)


def pretrain(rank: int, world: int, folder: Path) -> dict[str, Tensor]:
    """What the backbone holds at the end."""
    return held(fit(job(folder), Silent()))


def pretrain_with(rank: int, world: int, folder: Path, trouble: Callable[[Step], Step]) -> tuple[str, int]:
    """The sentence that a pretraining ends with, and the step that is saved, when the second process meets `trouble` at its third step."""

    def harm(objective: Objective) -> None:
        forward, seen = smooth(objective).forward, []

        def forward_with_trouble(views: Views) -> Step:
            seen.append(views)
            step = forward(views)
            return trouble(step) if len(seen) == 3 and everyone().rank == 1 else step

        objective.forward = forward_with_trouble  # type: ignore[method-assign]

    try:
        fit(job(folder, harm), Silent())
    except LabelfreeError as error:
        return f"{type(error).__name__}: {error}", checkpoint_step(folder / "checkpoints" / "domain-0.ckpt")
    return "", STEPS


def pretrain_flat(rank: int, world: int, folder: Path, batch_size: int = 32) -> tuple[str, int]:
    """The sentence that a pretraining with flat embeddings ends with, and the step that is saved."""
    try:
        fit(small_job(folder, harm=flatten, batch_size=batch_size), Silent())
    except LabelfreeError as error:
        return f"{type(error).__name__}: {error}", checkpoint_step(folder / "checkpoints" / "domain-0.ckpt")
    return "", checkpoint_step(folder / "checkpoints" / "domain-0.ckpt")


def no_number(step: Step) -> Step:
    return replace(step, loss=step.loss * float("nan"))


def asked_to_stop(step: Step) -> Step:
    signal.raise_signal(signal.SIGTERM)
    return step
