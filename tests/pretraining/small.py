"""A pretraining small enough for a test, carried out exactly as a run does: real steps, checks, checkpoints and resume, in this process."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from labelfree.backbones import Backbone, build
from labelfree.backbones.weights import network_input
from labelfree.domain import Size
from labelfree.language.tokens import BytePairs
from labelfree.objectives import Objective
from labelfree.objectives.base import Widths
from labelfree.objectives.registry import objective_class, objective_options
from labelfree.pretraining.captions import Captions
from labelfree.pretraining.job import Job, Plan
from labelfree.pretraining.teacher import Teacher
from labelfree.training.randomness import generator
from labelfree.views import Augmentation, PerChannel, ViewPipeline
from labelfree.views.geometry import Dihedral
from labelfree.views.photometric import ChannelGain, Noise, SharedGain

SIDE = 32


class Pictures:
    """A pool in memory: `n` smooth random pictures, (n, 3, SIDE, SIDE) uint8, no two alike. `kinds`: how coarse each is, 0 to 2."""

    uniform = True

    def __init__(self, n: int = 256, seed: int = 0) -> None:
        draw = generator("pictures", seed)
        self.kinds = torch.arange(n) % 3
        coarse = [torch.randn(n, 3, side, side, generator=draw) for side in (3, 6, 12)]
        smooth = torch.stack([F.interpolate(x, SIDE, mode="bicubic", align_corners=False) for x in coarse])
        pictures = smooth[self.kinds, torch.arange(n)]
        colour = torch.randn(n, 3, 1, 1, generator=draw)
        self.stored = ((pictures + 0.7 * colour) * 40 + 128).clamp(0, 255).to(torch.uint8)
        self.rows = [SimpleNamespace(id=f"{i:03d}.png") for i in range(n)]

    def batch(self, entries: Sequence[int] | np.ndarray) -> Tensor:
        return self.stored[torch.as_tensor(np.asarray(entries))].clone()

    def measured(self, entries: Sequence[int] | np.ndarray) -> None:
        """Everywhere."""

    def __getitem__(self, entry: int) -> Tensor:
        return self.stored[entry].clone()

    def __len__(self) -> int:
        return len(self.stored)


def views() -> ViewPipeline:
    """Crops, flips, gains and noise."""
    ops = Augmentation(geometry=[Dihedral()], physics=[SharedGain(0.2), ChannelGain(0.2), Noise((0.0, 8.0))], global_scale=(0.3, 1.0))
    return ViewPipeline(ops, PerChannel([128.0] * 3, [50.0] * 3), [1.0] * 3, [0.0] * 3)


@dataclass(frozen=True)
class SmallJob(Job):
    """`harm` changes the objective before the first step: how a test breaks it."""

    harm: Callable[[Objective], object] = field(default=lambda objective: None)

    def objective(self, taught: Widths | None = None) -> Objective:
        made = super().objective(taught)
        self.harm(made)
        return made


def tiny_vit() -> Backbone:
    """Width 64, three blocks, 16 tokens: a fifth of a small CNN's time."""
    torch.manual_seed(0)
    return build("vit_tiny_patch16_224", 3, options={"patch_size": 8, "img_size": SIDE, "embed_dim": 64, "depth": 3, "num_heads": 4})


def small_cnn() -> Backbone:
    """With BatchNorm."""
    torch.manual_seed(0)
    return build("test_resnet", 3)


def small_teacher(crop: Size) -> Teacher:
    """A random network that reads red alone, at crops of the size that they have."""
    torch.manual_seed(7)
    normalise = PerChannel([100.0], [60.0])
    return Teacher(build("resnet10t", 1), lambda x, size, measured: network_input(x[:, :1], normalise, size, measured), crop, "size")


def small_captions(entries: int) -> Captions:
    """Two captions of each picture, of the kind that `Pictures` says and of its number."""
    kinds = ("coarse", "even", "fine")
    said = [(f"a {kinds[i % 3]} picture", f"picture {i} of {entries}, {kinds[i % 3]}") for i in range(entries)]
    return Captions.of(said, BytePairs())


def small_job(folder: Path, objective: str = "simclr", options: dict[str, Any] | None = None, **plan: Any) -> SmallJob:
    """A job on the small pictures; `plan` and the job's own fields (`start`, `harm`, `labelled`, `teacher`) replace the defaults."""
    own = {key: plan.pop(key) for key in ("harm", "labelled", "start", "teacher") if key in plan}
    own = {"teacher": small_teacher if objective_class(objective).learns_from else None, **own}
    if objective_class(objective).reads_text:
        own["captions"] = small_captions(256)
    drawn = {
        "steps": 20, "batch_size": 32, "size": SIDE, "local_size": 16, "optimiser": "adamw", "lr": 1e-3, "weight_decay": 0.04, "warmup": 2,
        "head_only": 0, "frozen_norm": False, "precision": "fp32", "clip_grad": 3.0, "check_every": 2, "checkpoint_minutes": 60.0,
        "on_collapse": "stop", "base": 0, "seed": 0, "threads": 1,
    }  # fmt: skip
    narrow = {key: given for key, given in (("hidden", 64), ("out", 32), ("text", "tiny")) if key in objective_options(objective)}
    settled = Plan(objective=objective, options=options or narrow, **{**drawn, **plan})  # type: ignore[arg-type]
    pool: Any = Pictures()
    job = SmallJob("domain", settled, pool, np.arange(len(pool)), views(), tiny_vit, folder)
    return replace(job, **own)


def metrics(folder: Path) -> dict[int, dict[str, float]]:
    """metrics.csv as step -> name -> value."""
    found: dict[int, dict[str, float]] = {}
    with (folder / "metrics.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            found.setdefault(int(row["step"]), {})[row["name"]] = float(row["value"])
    return found


def showing(embedding: Callable[[int], torch.Tensor]) -> Callable[[Objective], None]:
    """Health is measured on `embedding(step)` (64, D), whatever the network gives; the loss falls as ever."""

    def harm(objective: Objective) -> None:
        healthy, steps = objective.forward, itertools.count()

        def forward(views: Any) -> Any:
            return replace(healthy(views), embedding=embedding(next(steps)))

        objective.forward = forward  # type: ignore[method-assign]

    return harm


flatten = showing(lambda step: torch.ones(64, 8))  # from the first step on


def rows(n: int, d: int, seed: int = 0) -> torch.Tensor:
    """(n, d) numbers that are the same for every caller."""
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))
