"""Pretrainings on generated pictures, as a run would make them: what the parts of `benchmarks/gpu.py` carry out."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labelfree.backbones import Backbone, build
from labelfree.backbones.weights import network_input
from labelfree.domain import Size
from labelfree.language.tokens import BytePairs
from labelfree.objectives.registry import objective_class, objective_options
from labelfree.pretraining.captions import Captions
from labelfree.pretraining.job import Job, Plan
from labelfree.pretraining.teacher import Teacher
from labelfree.views import Blur, ChannelDrop, ChannelGain, Dihedral, Noise, PerChannel, SharedGain, ViewPipeline
from labelfree.views.pipeline import Augmentation

NARROW = {"hidden": 64, "out": 32, "bottleneck": 32, "prototypes": 64, "queue": 64, "local_crops": 2, "text": "tiny"}


class Pictures:
    """A pool in memory: `n` pictures of coarse noise, (n, 3, side, side) uint8."""

    uniform = True

    def __init__(self, n: int, side: int) -> None:
        draw = torch.Generator().manual_seed(0)
        coarse = torch.randint(0, 256, (n, 3, 8, 8), generator=draw).float()
        self.stored = torch.nn.functional.interpolate(coarse, side, mode="bilinear").to(torch.uint8)
        self.rows = [SimpleNamespace(id=str(row)) for row in range(n)]

    def __len__(self) -> int:
        return len(self.stored)

    def __getitem__(self, entry: int) -> Tensor:
        return self.stored[entry].clone()

    def batch(self, entries: Iterable[int]) -> Tensor:
        return self.stored[torch.as_tensor(np.asarray(entries))]

    def measured(self, entries: Iterable[int]) -> None:
        """Everywhere."""


def views(channels: int, noise: bool = True) -> ViewPipeline:
    """Crops, flips, gains, blur and a dropped channel; `noise` is drawn on the device."""
    physics = [SharedGain(0.2), ChannelGain(0.2), *([Noise((0.0, 8.0))] if noise else []), Blur((0.3, 1.5), p=0.5)]
    ops = Augmentation([Dihedral()], physics, [ChannelDrop(0.3)], global_scale=(0.3, 1.0))
    return ViewPipeline(ops, PerChannel([128.0] * channels, [50.0] * channels), [1.0] * channels, [0.0] * channels)


def network(name: str, channels: int, side: int) -> Backbone:
    """From random weights, always the same."""
    torch.manual_seed(0)
    patches = {"img_size": side, **({"patch_size": 8} if side < 64 else {})} if name.startswith("vit") else {}
    return build(name, channels, options=patches)


def narrow_options(name: str) -> dict[str, Any]:
    """Of an objective whose heads are to cost little."""
    return {key: value for key, value in NARROW.items() if key in objective_options(name)}


def job_on(folder: Path, objective: str, network_name: str, side: int, *, images: int = 256, narrow: bool = True, **plan: Any) -> Job:
    """A pretraining of a network on pictures of `side` pixels; `plan` replaces what is usual here."""
    usual = {
        "steps": 40, "batch_size": 32, "size": side, "local_size": side // 2, "optimiser": "adamw", "lr": 1e-3, "weight_decay": 0.04,
        "warmup": 2, "head_only": 0, "frozen_norm": False, "precision": "fp32", "clip_grad": 3.0, "check_every": 20,
        "checkpoint_minutes": 60.0, "on_collapse": "warn", "base": 0, "seed": 0, "threads": torch.get_num_threads(),
    }  # fmt: skip
    settled = Plan(objective=objective, options=narrow_options(objective) if narrow else {}, **{**usual, **plan})
    pool: Any = Pictures(images, side)
    start = partial(network, network_name, 3, side)
    teacher = partial(random_teacher, network_name, side) if objective_class(objective).learns_from else None
    said = [(f"picture {i} of {images}", "a picture") for i in range(images)]
    captions = Captions.of(said, BytePairs()) if objective_class(objective).reads_text else None
    return Job("domain", settled, pool, np.arange(images), views(3), start, folder, teacher=teacher, captions=captions)


def random_teacher(network_name: str, side: int, crop: Size) -> Teacher:
    """The network itself from random weights, at the crops' size."""
    normalise = PerChannel([128.0] * 3, [50.0] * 3)
    return Teacher(network(network_name, 3, side), lambda x, size, measured: network_input(x, normalise, size, measured), crop, "size")
