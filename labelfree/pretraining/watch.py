"""Watching a pretraining: progress with rate and time left, health checks into metrics.csv, a stop on collapse."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import lightning as L
import torch

from labelfree.backbones import Backbone
from labelfree.data.our_folders import home_of
from labelfree.errors import TrainingError
from labelfree.objectives.distributed import everyone
from labelfree.pretraining.checkpoints import Checkpoints
from labelfree.pretraining.health import CollapseGuard, LearningGuard, monitors
from labelfree.pretraining.job import Plan
from labelfree.pretraining.module import PretrainingModule
from labelfree.progress import Progress
from labelfree.training.processes import agreed, broadcast

HEADER = ("arm", "seed", "step", "name", "value")


class Metrics:
    """Appends to metrics.csv; a resumed run first drops what the lost steps had written."""

    def __init__(self, path: Path, arm: str, seed: int, first: int) -> None:
        self.path, self.arm, self.seed, self.first = path, arm, seed, first

    def begin(self) -> None:
        """Make the file ready for `first` and the steps after it."""
        kept: list[list[str]] = []
        if self.path.exists():
            with self.path.open(newline="", encoding="utf-8") as handle:
                rows = list(csv.reader(handle))[1:]
            lost = [self.arm, str(self.seed)]
            kept = [r for r in rows if len(r) == len(HEADER) and not (r[:2] == lost and int(r[2]) >= self.first)]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("w", newline="", encoding="utf-8") as handle:
            csv.writer(handle).writerows([HEADER, *kept])

    def add(self, step: int, values: dict[str, float]) -> None:
        with self.path.open("a", newline="", encoding="utf-8") as handle:
            csv.writer(handle).writerows([self.arm, self.seed, step, name, f"{value:.6g}"] for name, value in values.items())


class Watch(L.Callback):
    """Health checks every `check_every` steps and at the last one, of that step alone; collapse counts after warm-up only.

    The first process looks and writes; all of them stop together. What the guards have seen is part of every checkpoint, so that a resumed
    run stops where an unbroken one would. A run in which nothing can be learnt stops whatever `on_collapse` says.
    """

    def __init__(self, metrics: Metrics, checkpoints: Checkpoints, bar: Any, say: Progress) -> None:
        self.metrics, self.checkpoints, self.bar, self.say = metrics, checkpoints, bar, say
        self.guard: CollapseGuard
        self.learning = LearningGuard()
        self.collapse = ""  # what was said of a collapse
        self.still = ""  # what was said of a loss that teaches nothing
        self.rank = 0.0  # RankMe at the first check

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        assert isinstance(pl_module, PretrainingModule)
        self.guard = CollapseGuard(pl_module.objective)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.is_global_zero:
            self.metrics.begin()

    def on_train_batch_end(self, trainer: L.Trainer, module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int) -> None:
        assert isinstance(module, PretrainingModule)
        step, plan = int(batch), module.plan
        self.bar.advance()
        if (step + 1) % plan.check_every and step + 1 != plan.steps:
            return
        module.losses.require()
        collapse = still = None
        where = f"{self.metrics.arm}, seed {plan.seed}, step {step}: "
        if trainer.is_global_zero:
            values, collapse = self._check(module, step)
            still = self.learning.check(values["loss"], values["gradient_norm"], step + 1 == plan.steps)
            self.still = where + still if still else ""
        if agreed(still is not None):
            self.checkpoints.write(trainer)
            raise _nothing_learnt(broadcast(self.still))
        if collapse and not self.collapse:
            self.collapse = where + collapse
            if plan.on_collapse == "warn":
                self.say.say(self.collapse)
        if agreed(collapse is not None and plan.on_collapse == "stop"):
            self.checkpoints.write(trainer)
            raise _stopped(broadcast(self.collapse), module.job.folder)

    def _check(self, module: PretrainingModule, step: int) -> tuple[dict[str, float], str | None]:
        """Measure the step that was just taken: the numbers, and a sentence where it has collapsed for good."""
        last, plan = module.last, module.plan
        assert last is not None
        values = {"loss": float(last.loss.detach()), "gradient_norm": float(module.gradient_norm)}
        if last.embedding is not None:
            values |= monitors(last.embedding, module.objective.crops.globals)
        values |= {name: float(value) for name, value in last.logs.items()}
        if "rankme" in values and plan.continues:  # what a random network spreads over is no knowledge to keep
            self.rank = self.rank or values["rankme"]
            values["rankme_kept"] = values["rankme"] / self.rank
        if module.job.labelled is not None:
            network = module.objective.exported()
            assert isinstance(network, Backbone)
            values["train_knn"] = module.job.labelled.accuracy(network, plan.size)
        self.metrics.add(step, values)
        for name, value in values.items():
            module.log(name, value, rank_zero_only=True)
        warm = step >= plan.warmup + plan.head_only
        seen = plan.batch_size // everyone().world  # by this process
        return values, self.guard.check(values, seen) if warm else None

    def state_dict(self) -> dict[str, Any]:
        state = {"told": self.collapse, "still": self.still, "rank": self.rank, "learning": self.learning.state_dict()}
        return {**state, **self.guard.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.collapse, self.still, self.rank = state_dict["told"], state_dict["still"], state_dict["rank"]
        self.learning.load_state_dict(state_dict["learning"])
        self.guard.load_state_dict(state_dict)


def require_sound(checkpoint: Path, plan: Plan, folder: Path) -> None:
    """Raises TrainingError again where this pretraining had stopped for a collapse, or as nothing could be learnt: it neither goes on
    silently nor is it exported.
    """
    if checkpoint.is_file():
        seen = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)["callbacks"][Watch.__qualname__]
        if seen["still"]:
            raise _nothing_learnt(seen["still"])
        if seen["told"] and plan.on_collapse == "stop":
            raise _stopped(seen["told"], folder)


def _nothing_learnt(sentence: str) -> TrainingError:
    return TrainingError(f"{sentence} No weights are exported; start again with the fix in a new folder.")


def _stopped(sentence: str, folder: Path) -> TrainingError:
    anyway = f"labelfree resume {home_of(folder)} pretrain.on_collapse=warn"
    return TrainingError(f"{sentence} It is saved: start again with the fix in a new folder, or go on regardless with `{anyway}`.")
