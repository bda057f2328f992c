"""Carry out one pretraining: time it, start or continue it, and give back the backbone to export."""

from __future__ import annotations

import dataclasses
import logging
import time
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from torch.utils.data import DataLoader

from labelfree.backbones import Backbone
from labelfree.errors import Interrupted
from labelfree.pretraining.checkpoints import Checkpoints
from labelfree.pretraining.devices import joined, trainer_devices
from labelfree.pretraining.job import Job
from labelfree.pretraining.module import PretrainingModule, StepNumbers
from labelfree.pretraining.watch import Metrics, Watch, require_no_collapse
from labelfree.progress import Progress
from labelfree.training.memory import out_of_memory
from labelfree.training.signals import stop_requests

TRIAL_STEPS = 4


def seconds_per_step(job: Job) -> float:
    """Time a few full steps (the slowest phase: backbone learning) on a throw-away copy; the first warms up and is not counted.

    Also the check that a batch fits in memory (TrainingError names the setting to lower) and that the network takes views of these sizes
    (RecipeError). Of several processes all take part.
    """
    plan = dataclasses.replace(job.plan, head_only=0, steps=10**6)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")  # of several GPUs the current one
    module = PretrainingModule(dataclasses.replace(job, plan=plan))
    backbone = module.objective.backbone
    assert isinstance(backbone, Backbone)
    backbone.require_side(plan.size, "pretrain.size")
    if module.objective.crops.locals:
        backbone.require_side(plan.local_size, "pretrain.local_size")
    with _room_for(plan.batch_size):
        channels_last(module.to(device))
        optimiser = module.configure_optimizers()
        learner = joined(module.train())
        times = []
        for step in range(TRIAL_STEPS):
            begun = time.perf_counter()
            module.set_rates(optimiser, step)
            with torch.autocast(device.type, torch.bfloat16, enabled=plan.precision == "bf16"):
                loss = learner(step)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(module.parameters(), plan.clip_grad or float("inf"))
            module.objective.before_step(0.5)
            optimiser.step()
            module.objective.after_step(0.5)
            optimiser.zero_grad()
            if device.type == "cuda":
                torch.cuda.synchronize()
            times.append(time.perf_counter() - begun)
    return sorted(times[1:])[len(times[1:]) // 2]


def fit(job: Job, say: Progress) -> Backbone:
    """Pretrain to the last step, from the last checkpoint if there is one. Bit for bit the same either way on a CPU.

    Of several processes all take part, and all get the backbone. Raises Interrupted when asked to stop (everything is saved),
    TrainingError on collapse, NaN or out of memory.
    """
    plan = job.plan
    torch.set_num_threads(plan.threads)
    checkpoint = job.folder / "checkpoints" / f"{job.arm}-{plan.seed}.ckpt"
    first = checkpoint_step(checkpoint)
    require_no_collapse(checkpoint, plan, job.folder)
    module = PretrainingModule(job).train()  # Lightning leaves modes alone, and objectives set those of their slow networks
    channels_last(module)
    with stop_requests() as request, _quiet_lightning(), _room_for(plan.batch_size):
        checkpoints = Checkpoints(checkpoint, plan.checkpoint_minutes, request)
        metrics = Metrics(job.folder / "metrics.csv", job.arm, plan.seed, first)
        with say.track(plan.steps - first, f"pretraining {job.arm}, seed {plan.seed}") as bar:
            trainer = L.Trainer(
                max_steps=plan.steps,
                max_epochs=-1,
                **trainer_devices(),
                precision="bf16-mixed" if plan.precision == "bf16" else "32-true",
                gradient_clip_val=plan.clip_grad or None,
                callbacks=[Watch(metrics, checkpoints, bar, say), checkpoints],
                logger=TensorBoardLogger(job.folder, name="tensorboard", version=f"{job.arm}-{plan.seed}"),
                log_every_n_steps=plan.check_every,
                default_root_dir=job.folder,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                use_distributed_sampler=False,
            )
            if first < plan.steps:
                loader = DataLoader(StepNumbers(first), batch_size=None)
                try:
                    trainer.fit(module, loader, ckpt_path=checkpoint if first else None, weights_only=True)
                except SystemExit:  # Lightning's own answer to a second Ctrl-C, which waits for nothing
                    raise KeyboardInterrupt from None
                if trainer.global_step < plan.steps:
                    raise Interrupted(f"stopped at step {trainer.global_step} of {plan.steps} of {job.arm}; it is saved.")
                checkpoints.write(trainer)
            else:
                module.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"])
    exported = module.objective.exported().cpu().eval()
    assert isinstance(exported, Backbone)
    exported.requires_grad_(False)
    return exported


def channels_last(module: torch.nn.Module) -> None:
    """Lay the kernels of 2D convolutions out channels-last, which measured fastest; others stay as they are."""
    for parameter in module.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


def checkpoint_step(path: Path) -> int:
    """The step a checkpoint stands at; 0 without one."""
    if not path.is_file():
        return 0
    return int(torch.load(path, map_location="cpu", weights_only=True, mmap=True)["global_step"])


def _room_for(batch_size: int) -> AbstractContextManager[None]:
    smaller = max(batch_size // 2, 8)
    return out_of_memory(f"at a batch of {batch_size}", f"set pretrain.batch_size={smaller}, or a smaller pretrain.size")


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric", "lightning")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            warnings.filterwarnings("ignore", message=".*num_workers.*|.*IterableDataset.*|.*litlogger.*")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
