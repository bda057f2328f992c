"""Momentum encoders: a slow copy of a network, moved once an optimiser step."""

from __future__ import annotations

import copy
import math
from typing import TypeVar

import torch
from torch import nn

M = TypeVar("M", bound=nn.Module)


def momentum_copy(module: M) -> M:
    """A copy of `module` that takes no gradient."""
    slow = copy.deepcopy(module)
    slow.requires_grad_(False)
    return slow


@torch.no_grad()
def move_towards(slow: nn.Module, fast: nn.Module, momentum: float) -> None:
    """slow <- momentum * slow + (1 - momentum) * fast, over parameters; buffers (BatchNorm statistics) are copied."""
    torch._foreach_lerp_(list(slow.parameters()), list(fast.parameters()), 1.0 - momentum)
    for ours, theirs in zip(slow.buffers(), fast.buffers(), strict=True):
        ours.copy_(theirs)


def cosine(start: float, end: float, progress: float) -> float:
    """Half a cosine from `start` (progress 0) to `end` (progress 1)."""
    return end + (start - end) * 0.5 * (1.0 + math.cos(math.pi * min(max(progress, 0.0), 1.0)))
