"""Checkpoints of one pretraining: atomic, timed, and written when somebody asks the run to stop."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import lightning as L

from labelfree.training.files import call_with
from labelfree.training.signals import StopRequest


class Checkpoints(L.Callback):
    """Writes `path` every `minutes`, at a stop request and on demand. Last in the callback list: everything of the step is done."""

    def __init__(self, path: Path, minutes: float, request: StopRequest) -> None:
        self.path = path
        self.seconds = 60 * minutes
        self.request = request
        self.saved_at = time.monotonic()

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        if self.request:
            trainer.should_stop = True
        elif time.monotonic() - self.saved_at < self.seconds:
            return
        self.write(trainer)

    def write(self, trainer: L.Trainer) -> None:
        """Save now (all ranks take part, rank 0 writes)."""
        if trainer.world_size > 1:
            trainer.save_checkpoint(self.path)
        else:
            call_with(self.path, trainer.save_checkpoint)
        self.saved_at = time.monotonic()
