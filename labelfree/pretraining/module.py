"""The Lightning module: batches and views are a function of the step; the objective does the rest."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.utils.data import IterableDataset

from labelfree.device_copies import copied_to
from labelfree.errors import TrainingError
from labelfree.objectives import Step, Views
from labelfree.objectives.base import in_fp32
from labelfree.objectives.batchnorm import joint_statistics
from labelfree.objectives.distributed import everyone
from labelfree.pretraining.batches import Batches
from labelfree.pretraining.health import FiniteLosses
from labelfree.pretraining.job import Job
from labelfree.training.optimisers import make_optimiser, parameter_groups
from labelfree.training.randomness import mixed
from labelfree.training.schedules import warm_cosine
from labelfree.views.pipeline import Drawn


class StepNumbers(IterableDataset[int]):
    """Step numbers from `first` on: all a loader needs to carry, since a batch is a function of its step."""

    def __init__(self, first: int) -> None:
        self.first = first

    def __iter__(self) -> Iterator[int]:
        step = self.first
        while True:
            yield step
            step += 1


class PretrainingModule(L.LightningModule):
    """Draws the batch of a step from the pool, makes its views on the device and asks the objective for the loss."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        self.job = job
        self.plan = job.plan
        self.teacher = job.teacher(job.plan.size) if job.teacher else None
        self.objective = job.objective(self.teacher.widths if self.teacher else None)
        self.learning = [p for p in self.objective.backbone.parameters() if p.requires_grad]  # what the head-only start holds still
        self.views = job.views  # a module: it follows to the device
        self.batches = Batches(job)
        self.losses = FiniteLosses(lambda rows: [job.pool.rows[row].id for row in rows])
        self.last: Step | None = None
        self.gradient_norm = torch.tensor(0.0)

    def views_of(self, step: int) -> tuple[Views, np.ndarray]:
        """The views of this rank's share of the batch at `step`, and the pool entries they come from."""
        batch = self.batches.at(step, self.device)
        stored, partners = batch.images.stored, None if batch.partners is None else batch.partners.stored
        measured = (batch.images.measured, None if batch.partners is None else batch.partners.measured)
        whole = (batch.images.whole, None if batch.partners is None else batch.partners.whole)
        draws = self.job.generator(step, everyone().rank)
        crops = self.objective.crops
        n, sizes = (crops.globals, crops.locals), (self.plan.size, self.plan.local_size)
        with in_fp32(stored):  # pixels keep their precision
            made = self.views.multi_crop(stored, n, sizes, draws, partners, measured, whole, crops.altered)
            told = self.teacher is not None or crops.altered  # more than the pixels of its views is asked for
            drawn = Drawn.joined(islice(made, crops.globals)) if told else None
            big = torch.cat([view.normal for view in islice(made, crops.globals)]) if drawn is None else drawn.normal
            small = torch.cat([view.normal for view in made]) if crops.locals else None
        taught = None if self.teacher is None or drawn is None else self.teacher(drawn.physical, drawn.measured)
        little = None if small is None else _fast(small)
        altered = None if drawn is None else drawn.altered
        said = None if self.job.captions is None else self.job.captions.draw(batch.rows, self.plan.source, step, everyone().rank)
        text = None if said is None else copied_to(said, self.device)
        return Views(_fast(big), little, text=text, rows=torch.as_tensor(batch.rows), taught=taught, altered=altered), batch.rows

    def forward(self, step: int) -> Tensor:
        """As DDP calls it while steps are timed."""
        return self.loss_at(step)

    def training_step(self, batch: Tensor, _index: int) -> Tensor:
        step = int(batch)
        if self._trainer is not None and step != self.global_step:
            raise RuntimeError(f"batch {step} arrived at step {self.global_step}")
        return self.loss_at(step)

    def loss_at(self, step: int) -> Tensor:
        """The loss of `step`; the backbone stands still in the head-only start."""
        torch.manual_seed(mixed("network", self.plan.source, step, everyone().rank))  # dropout and the like
        self._let_backbone_learn(step >= self.plan.head_only)
        views, rows = self.views_of(step)
        with joint_statistics():
            self.last = self.objective(views)
        self.losses.note(self.last.loss, rows)
        return self.last.loss

    def _let_backbone_learn(self, learns: bool) -> None:
        for parameter in self.learning:
            parameter.requires_grad_(learns)

    def on_train_batch_start(self, batch: Tensor, batch_idx: int) -> None:
        optimiser = self.optimizers()
        self.set_rates(optimiser.optimizer if hasattr(optimiser, "optimizer") else optimiser, int(batch))  # type: ignore[arg-type]

    def set_rates(self, optimiser: Optimizer, step: int) -> None:
        """Each group's learning rate at `step`."""
        for group in optimiser.param_groups:
            if group["part"] == "steady":
                group["lr"] = self.plan.lr * group["factor"]
                continue
            start = self.plan.head_only if group["part"] == "backbone" else 0
            group["lr"] = self.plan.lr * group["factor"] * warm_cosine(step, self.plan.steps, self.plan.warmup, start)

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        grads = [p.grad for p in self.objective.parameters() if p.grad is not None]
        self.gradient_norm = torch.nn.utils.get_total_norm(grads)
        self.objective.before_step(self.global_step / self.plan.steps)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """One optimiser step, then the objective's own (momentum, centre): callbacks that save see the whole of it."""
        step = self.global_step
        super().optimizer_step(*args, **kwargs)
        self.objective.after_step(min((step + 1) / self.plan.steps, 1.0))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["planned"] = {"steps": self.plan.steps, "look": self.plan.look}
        if self.teacher is not None:
            checkpoint["teacher"] = self.teacher.digest

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if self.teacher is not None and checkpoint["teacher"] != self.teacher.digest:
            option = f"pretrain.options.{self.objective.learns_from}"
            raise TrainingError(f"{option}: the teacher is not the one that this run began with; restore its file, or start a new folder.")

    def configure_optimizers(self) -> Optimizer:
        self._let_backbone_learn(True)
        whole = self.objective
        groups = parameter_groups(whole.backbone, whole, self.plan.weight_decay, whole.steady, whole.rates)
        return make_optimiser(self.plan.optimiser, groups, self.plan.lr)


def _fast(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x
