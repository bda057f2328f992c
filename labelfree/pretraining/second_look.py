"""The second look at how long a step takes, early in the run itself: what its steps are revised by, once."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

import lightning as L
import torch

from labelfree.pretraining.job import Plan
from labelfree.pretraining.trial import Pace
from labelfree.training.timing import Lap, Stopwatch

EARLIEST, LATEST = 5, 100  # steps


def second_look(steps: int) -> int:
    """The step before which a run of so many looks again: after a twentieth of them."""
    return min(max(EARLIEST, steps // 20), LATEST)


class Laps(L.Callback):
    """Times every step before the second look, all that belongs to it included; part of every checkpoint.

    Last in the callback list but for what saves. The first step of a process warms up and is not counted.
    """

    def __init__(self, until: int) -> None:
        self.until = until
        self.taken: dict[int, Lap] = {}
        self.watch: Stopwatch | None = None

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int) -> None:
        if int(batch) >= self.until:
            return
        if pl_module.device.type == "cuda":
            torch.cuda.synchronize()  # a step is over when its work is, not when that is queued; later steps wait for nothing
        if self.watch is None:
            self.watch = Stopwatch()
        else:
            self.taken[int(batch)] = self.watch.lap()

    def state_dict(self) -> dict[str, Any]:
        return {"taken": [(step, lap.wall, lap.processor) for step, lap in self.taken.items()]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.taken = {step: Lap(wall, processor) for step, wall, processor in state_dict["taken"]}


def pace_seen(checkpoint: Path, plan: Plan) -> Pace:
    """The pace of the steps that led to `checkpoint`: the planned one, as much faster or slower as they were.

    A run that was stopped before each of its steps had a second one has seen nothing: the planned pace stands.
    """
    planned = Pace(plan.seconds_per_step, plan.head_seconds)
    stored = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)["callbacks"][Laps.__qualname__]["taken"]
    if not stored:
        return planned
    seen = sum((Lap(wall, processor) for _, wall, processor in stored), Lap(0.0, 0.0))
    expected = [max(planned.seconds(step, step + 1, plan.head_only), 1e-9) for step, _, _ in stored]
    factor = seen.seconds / sum(expected)
    if seen.processor == seen.wall:  # the clock alone is known: the step in the middle is what a busy moment changes least
        factor = median(wall / usual for (_, wall, _), usual in zip(stored, expected, strict=True))
    return Pace(planned.full * factor, planned.head * factor, seen.wall / max(seen.seconds, 1e-9) if seen.busy else 1.0)
