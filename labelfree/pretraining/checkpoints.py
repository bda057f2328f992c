"""Checkpoints of one pretraining: atomic, timed, and written when somebody asks the run to stop."""

from __future__ import annotations

import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import lightning as L
import torch

from labelfree.training.files import whole_file
from labelfree.training.processes import agreed, wait
from labelfree.training.signals import StopRequest


class Checkpoints(L.Callback):
    """Writes `path` every `minutes`, at a stop request and on demand. Last in the callback list: everything of the step is done.

    Of several processes all stop where one was asked to, and all write when the first one's clock says so. `spent`: seconds of training in
    the checkpoint, over all starts; what was lost with a process that was killed is not in it.
    """

    def __init__(self, path: Path, minutes: float, request: StopRequest) -> None:
        self.path = path
        self.seconds = 60 * minutes
        self.request = request
        self.saved_at = self.counted_at = time.monotonic()
        self.spent = 0.0
        self.stopped = False  # somebody asked

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.counted_at = time.monotonic()
        self.request.listen()  # Lightning has taken SIGTERM, and would talk to other processes from within the signal

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        stop = agreed(bool(self.request))
        due = trainer.is_global_zero and time.monotonic() - self.saved_at >= self.seconds
        self.stopped = self.stopped or stop
        trainer.should_stop = trainer.should_stop or stop
        if stop or agreed(due):
            self.write(trainer)

    def write(self, trainer: L.Trainer) -> None:
        """Save now: all take part, the first writes, and the file is there when any goes on.

        Raises TrainingError instead where a loss was not a number: what stands there is still good.
        """
        trainer.lightning_module.losses.require()  # type: ignore[operator, union-attr]  # of a PretrainingModule
        now = time.monotonic()
        self.spent, self.counted_at = self.spent + now - self.counted_at, now
        with whole_file(self.path) if trainer.is_global_zero else nullcontext(self.path) as part:
            trainer.save_checkpoint(part)
        wait()
        self.saved_at = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        return {"spent": self.spent}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.spent = state_dict["spent"]


def seconds_spent(path: Path) -> float:
    """Seconds of training that led to the checkpoint, over all starts."""
    callbacks = torch.load(path, map_location="cpu", weights_only=True, mmap=True)["callbacks"]
    return float(callbacks[Checkpoints.__qualname__]["spent"])
