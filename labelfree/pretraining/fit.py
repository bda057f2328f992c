"""Carry out one pretraining: start or continue it, and give back the backbone to export."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from torch.utils.data import DataLoader

from labelfree.backbones import Backbone
from labelfree.errors import Interrupted, TrainingError
from labelfree.foreign_logs import quieter
from labelfree.language import TextSide
from labelfree.pretraining.checkpoints import Checkpoints
from labelfree.pretraining.devices import channels_last, deterministic_kernels, trainer_devices
from labelfree.pretraining.job import Job, Plan
from labelfree.pretraining.module import PretrainingModule, StepNumbers
from labelfree.pretraining.second_look import Laps, pace_seen
from labelfree.pretraining.trial import Pace
from labelfree.pretraining.watch import Metrics, Watch, require_sound
from labelfree.progress import Progress
from labelfree.training.memory import batch_fits, freed_memory_kept
from labelfree.training.signals import stop_requests


def fit(job: Job, say: Progress) -> Backbone:
    """Pretrain to the last step, from the last checkpoint if there is one. Bit for bit the same either way.

    Of several processes all take part, and all get the backbone. Raises Interrupted when asked to stop (everything is saved),
    TrainingError on collapse, NaN, out of memory, or where nothing can be learnt.
    """
    return fit_both(job, say)[0]


def fit_both(job: Job, say: Progress) -> tuple[Backbone, TextSide | None]:
    """As `fit`, and what was learnt beside the backbone of captions; None where the objective reads none."""
    objective = _train(job, say, job.plan.steps).objective.cpu().eval().requires_grad_(False)
    exported = objective.exported()
    assert isinstance(exported, Backbone)
    return exported, objective.exported_text()


def fit_to_the_look(job: Job, say: Progress) -> Pace:
    """Pretrain to the plan's second look, and save: the pace of these steps. Of several processes all take part."""
    _train(job, say, job.plan.look)
    return pace_seen(checkpoint_path(job), job.plan)


def checkpoint_path(job: Job) -> Path:
    """Where the checkpoint of a pretraining lies."""
    return job.folder / "checkpoints" / f"{job.arm}-{job.plan.seed}.ckpt"


def _train(job: Job, say: Progress, last: int) -> PretrainingModule:
    """Steps up to `last` that the checkpoint does not hold yet; it holds them afterwards."""
    plan = job.plan
    torch.set_num_threads(plan.threads)
    checkpoint = checkpoint_path(job)
    first = checkpoint_step(checkpoint)
    require_sound(checkpoint, plan, job.folder)
    require_same_steps(checkpoint, plan)
    module = PretrainingModule(job).train()  # Lightning leaves modes alone, and objectives set those of their slow networks
    channels_last(module)
    if first >= last:
        module.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"])
        return module
    module.batches.tell = say.say
    with stop_requests() as request, _quiet_lightning(), deterministic_kernels(), freed_memory_kept(), batch_fits(plan.batch_size):
        checkpoints = Checkpoints(checkpoint, plan.checkpoint_minutes, request)
        metrics = Metrics(job.folder / "metrics.csv", job.arm, plan.seed, first)
        looking = "the first steps of " if last == plan.look else ""
        with say.track(last - first, f"{looking}pretraining {job.arm}, seed {plan.seed}") as bar:
            trainer = L.Trainer(
                max_steps=last,
                max_epochs=-1,
                **trainer_devices(),
                precision="bf16-mixed" if plan.precision == "bf16" else "32-true",
                gradient_clip_val=plan.clip_grad or None,
                callbacks=[Watch(metrics, checkpoints, bar, say), Laps(plan.look), checkpoints],
                logger=TensorBoardLogger(job.folder, name="tensorboard", version=f"{job.arm}-{plan.seed}"),
                log_every_n_steps=plan.check_every,
                default_root_dir=job.folder,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                use_distributed_sampler=False,
            )
            loader = DataLoader(StepNumbers(first), batch_size=None)
            try:
                trainer.fit(module, loader, ckpt_path=checkpoint if first else None, weights_only=True)
            except SystemExit:  # Lightning's own answer to a second Ctrl-C, which waits for nothing
                raise KeyboardInterrupt from None
            if trainer.global_step < last or (checkpoints.stopped and last < plan.steps):
                raise Interrupted(f"stopped at step {trainer.global_step} of {plan.steps} of {job.arm}; it is saved.")
            checkpoints.write(trainer)
    return module


def require_same_steps(checkpoint: Path, plan: Plan) -> None:
    """Raises TrainingError where a checkpoint's rates followed other steps than the plan's: only its second look may revise them."""
    if not checkpoint.is_file():
        return
    stored = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
    planned = stored.get("planned")
    if planned is None:
        raise TrainingError(f"{checkpoint}: was written by another version of labelfree; start a new folder with --out.")
    if planned["steps"] != plan.steps and stored["global_step"] != planned["look"]:
        raise TrainingError(
            f"{checkpoint}: was trained for {planned['steps']:,} steps and plan.json says {plan.steps:,}; "
            "restore plan.json, or start a new folder with --out."
        )


def checkpoint_step(path: Path) -> int:
    """The step a checkpoint stands at; 0 without one."""
    if not path.is_file():
        return 0
    return int(torch.load(path, map_location="cpu", weights_only=True, mmap=True)["global_step"])


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    with quieter(("lightning.pytorch", "lightning.fabric", "lightning"), logging.ERROR):
        warnings.filterwarnings("ignore", module="lightning")
        warnings.filterwarnings("ignore", message=".*num_workers.*|.*IterableDataset.*|.*litlogger.*")
        yield
