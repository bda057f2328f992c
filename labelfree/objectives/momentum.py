"""Momentum encoders: a slow copy of a network, moved once an optimiser step."""

from __future__ import annotations

import copy
import math
from typing import TypeVar

import torch
from torch import nn

from labelfree.backbones.base import without_dropout
from labelfree.domain import Default
from labelfree.objectives.base import Situation

M = TypeVar("M", bound=nn.Module)

FASTEST, HOLDING = 0.9, 0.99
LAGS = 25  # time constants of the average that should fit into a run
# Of the rate, from weights: measured in docs/pretraining.md.
HELD = Default(3 / 5, "three fifths, its slow copy holds what the weights know")


def momentum_copy(module: M) -> M:
    """A copy of `module` that takes no gradient and drops nothing: what it says is a target, in training mode too."""
    slow = copy.deepcopy(module)
    slow.requires_grad_(False)
    without_dropout(slow)
    return slow


def slow_copies(owner: nn.Module, *names: str) -> nn.ModuleDict:
    """Momentum copies of submodules, each under its own name."""
    return momentum_copy(nn.ModuleDict({name: owner.get_submodule(name) for name in names}))


def follow(copies: nn.ModuleDict, owner: nn.Module, momentum: float) -> None:
    """Move each copy towards the submodule of its name."""
    for name, slow in copies.items():
        move_towards(slow, owner.get_submodule(name), momentum)


@torch.no_grad()
def move_towards(slow: nn.Module, fast: nn.Module, momentum: float) -> None:
    """slow <- momentum * slow + (1 - momentum) * fast, over parameters.

    BatchNorm's statistics are the slow network's own: it sees batches in training mode itself.
    """
    torch._foreach_lerp_(list(slow.parameters()), list(fast.parameters()), 1.0 - momentum)


@torch.no_grad()
def move_statistics(slow: nn.Module, fast: nn.Module, momentum: float) -> None:
    """The same over BatchNorm's running statistics, for a slow network that normalises with them (EMAN, Cai et al. 2021,
    arXiv:2101.08482).
    """
    for ours, theirs in zip(slow.buffers(), fast.buffers(), strict=True):
        if ours.is_floating_point():
            ours.lerp_(theirs, 1.0 - momentum)
        else:
            ours.copy_(theirs)


def cosine(start: float, end: float, progress: float) -> float:
    """Half a cosine from `start` (progress 0) to `end` (progress 1)."""
    return end + (start - end) * 0.5 * (1.0 + math.cos(math.pi * min(max(progress, 0.0), 1.0)))


def first_momentum(at: Situation, slowest: float = 0.996) -> Default:
    """The momentum to begin with: from weights 0.99, from random as fast as the number of steps asks for, at most `slowest`."""
    if at.continues:
        return Default(max(HOLDING, min(slowest, _spanning(at.steps))), "slow from the start: the copy holds what the weights know")
    reason = f"the average spans a {LAGS}th of {at.steps:,} steps, from {FASTEST} to {slowest:g}"
    return Default(min(slowest, max(FASTEST, _spanning(at.steps))), reason)


def _spanning(steps: int) -> float:
    return round(1.0 - LAGS / max(steps, 1), 4)
