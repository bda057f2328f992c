"""What every `auto` of the pretraining becomes: rules in steps and fractions, each with its reason."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from labelfree.domain import Default, Defaults, Fingerprint
from labelfree.objectives.registry import check_options
from labelfree.recipe import Pretrain

PASSES = 100  # over the pool, where neither minutes nor steps are given


@dataclass(frozen=True)
class Resolved:
    """Values for the keys of `pretrain` that were `auto`, and why."""

    values: Mapping[str, Any]
    reasons: Mapping[str, str]

    def __getitem__(self, key: str) -> Any:
        return self.values[key]


def resolve_pretrain(settings: Pretrain, count: int, fingerprint: Fingerprint, domain: Defaults, continues: bool) -> Resolved:
    """Every `auto` key of `settings` for a pool of `count` entries.

    `domain`: the domain's own suggestions, which win over the rules here. `continues`: the backbone starts from weights.
    """
    check_options(settings.objective, settings.options)
    rules = _rules(settings, count, fingerprint, continues)
    suggested = {key.removeprefix("pretrain."): value for key, value in domain.items() if key.startswith("pretrain.")}
    chosen: dict[str, Any] = {}
    reasons: dict[str, str] = {}
    for key, rule in {**rules, **suggested}.items():
        given = getattr(settings, key)
        chosen[key] = rule.value if given == "auto" else given
        reasons[key] = rule.reason if given == "auto" else "the recipe says so"
    return Resolved(chosen, reasons)


def _rules(settings: Pretrain, count: int, fingerprint: Fingerprint, continues: bool) -> dict[str, Default]:
    side = min(fingerprint.smallest[-2:])
    size = max(32, min(224, side // 32 * 32))
    cuda = torch.cuda.is_available()
    bf16 = cuda and torch.cuda.is_bf16_supported()
    return {
        "batch_size": Default(min(batch_for_memory(cuda), max(8, count // 4)), "fits the memory with room; at least four batches a pass"),
        "size": Default(size, f"images are {side} px on their short side"),
        "local_size": Default(max(32, size // 2 // 16 * 16), "half a global view"),
        "lr": _rate(settings.optimiser, continues),
        "weight_decay": Default(0.04, "matrices only; norms and biases are not decayed"),
        "warmup": Default(0.1, "a tenth of the steps"),
        "head_only": Default(0.1, "a random head would first destroy good weights") if continues else Default(0.0, "nothing to protect"),
        "norm": Default("frozen", "BatchNorm statistics of the weights are worth keeping on a small pool")
        if continues
        else Default("train", "there are none to keep"),
        "precision": Default("bf16", "the GPU has bf16") if bf16 else Default("fp32", "fp32 with channels-last measured fastest on CPUs"),
        "clip_grad": Default(3.0, "as DINO; a guard against rare spikes"),
    }


def _rate(optimiser: str, continues: bool) -> Default:
    if optimiser == "lars":
        return Default(0.3, "LARS scales each layer's own steps (You et al. 2017)")
    return Default(2e-4, "small steps keep what the weights know") if continues else Default(1e-3, "AdamW from random weights")


def batch_for_memory(cuda: bool) -> int:
    """Samples a batch: 128 on a CPU, on a GPU from its memory (powers of two, at most 512)."""
    if not cuda:
        return 128 if _memory_gb() >= 8 else 64
    gigabytes = torch.cuda.get_device_properties(0).total_memory / 2**30
    return int(min(512, max(64, 2 ** int(gigabytes * 16).bit_length() // 4)))


def _memory_gb() -> float:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    except (AttributeError, ValueError, OSError):  # Windows
        return 16.0


def steps_for(settings: Pretrain, count: int, batch_size: int, seconds_per_step: float) -> tuple[int, str]:
    """The number of optimiser steps and its reason: `steps`, else `minutes` (the two together: the smaller), else PASSES over the pool."""
    by_time = None if settings.minutes is None else max(10, int(settings.minutes * 60 / max(seconds_per_step, 1e-6)))
    if settings.steps != "auto":
        if by_time is not None and by_time < settings.steps:
            return by_time, f"{settings.minutes:g} minutes at {seconds_per_step:.2f} s a step, fewer than the {settings.steps} asked for"
        return settings.steps, "the recipe says so"
    if by_time is not None:
        return by_time, f"{settings.minutes:g} minutes at {seconds_per_step:.2f} s a step, as timed on this machine"
    steps = max(100, PASSES * count // batch_size)
    return steps, f"{PASSES} passes over {count} images"
