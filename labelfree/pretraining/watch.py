"""Watching a pretraining: progress with rate and time left, health checks into metrics.csv, a stop on collapse."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import lightning as L

from labelfree.errors import TrainingError
from labelfree.pretraining.checkpoints import Checkpoints
from labelfree.pretraining.health import CollapseGuard, monitors
from labelfree.pretraining.module import PretrainingModule
from labelfree.progress import Progress

HEADER = ("arm", "seed", "step", "name", "value")


class Metrics:
    """Appends to metrics.csv; a resumed run first drops what the lost steps had written."""

    def __init__(self, path: Path, arm: str, seed: int, first: int) -> None:
        self.path, self.arm, self.seed = path, arm, seed
        kept: list[list[str]] = []
        if path.exists():
            with path.open(newline="", encoding="utf-8") as handle:
                rows = list(csv.reader(handle))[1:]
            kept = [r for r in rows if len(r) == len(HEADER) and not (r[0] == arm and r[1] == str(seed) and int(r[2]) >= first)]
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as handle:
            csv.writer(handle).writerows([HEADER, *kept])

    def add(self, step: int, values: dict[str, float]) -> None:
        with self.path.open("a", newline="", encoding="utf-8") as handle:
            csv.writer(handle).writerows([self.arm, self.seed, step, name, f"{value:.6g}"] for name, value in values.items())


class Watch(L.Callback):
    """Health checks every `check_every` steps; collapse counts after warm-up only."""

    def __init__(self, metrics: Metrics, checkpoints: Checkpoints, bar: Any, say: Progress) -> None:
        self.metrics, self.checkpoints, self.bar, self.say = metrics, checkpoints, bar, say
        self.guard = CollapseGuard()
        self.warned = False

    def on_train_batch_end(self, trainer: L.Trainer, module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int) -> None:
        assert isinstance(module, PretrainingModule) and module.last is not None
        step, plan = int(batch), module.plan
        self.bar.advance()
        due = (step + 1) % plan.check_every == 0 or step + 1 == plan.steps
        if not due or not trainer.is_global_zero:
            return
        last = module.last
        values = {"loss": float(last.loss.detach()), "gradient_norm": float(module.gradient_norm)}
        values |= {name: float(value) for name, value in last.logs.items()}
        if last.embedding is not None:
            values |= monitors(last.embedding)
        self.metrics.add(step, values)
        for name, value in values.items():
            module.log(name, value, rank_zero_only=True)
        if step < plan.warmup + plan.head_only or "std" not in values:
            return
        collapse = self.guard.check(values)
        if collapse and plan.on_collapse == "stop":
            self.checkpoints.write(trainer)
            raise TrainingError(f"{self.metrics.arm}, seed {plan.seed}, step {step}: {collapse}")
        if collapse and not self.warned:
            self.say.say(f"{self.metrics.arm}, step {step}: {collapse}")
            self.warned = True
