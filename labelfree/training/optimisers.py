"""Optimisers for pretraining: weight decay on matrices only, the backbone in groups of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from labelfree.training.lars import LARS

OPTIMISERS: dict[str, Callable[..., Optimizer]] = {"adamw": torch.optim.AdamW, "lars": LARS}


def parameter_groups(backbone: nn.Module, whole: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Four groups: backbone and heads, each with its matrices (decayed) and its norms and biases (not decayed)."""
    own = {id(p) for p in backbone.parameters()}
    groups = []
    for part, inside in (("backbone", True), ("head", False)):
        chosen = [p for p in whole.parameters() if p.requires_grad and (id(p) in own) is inside]
        groups += [
            {"part": part, "weight_decay": weight_decay, "params": [p for p in chosen if p.ndim > 1]},
            {"part": part, "weight_decay": 0.0, "params": [p for p in chosen if p.ndim <= 1]},
        ]
    return [group for group in groups if group["params"]]


def make_optimiser(name: str, groups: Iterable[dict[str, Any]], lr: float) -> Optimizer:
    """The optimiser called `name` (a key of OPTIMISERS)."""
    return OPTIMISERS[name](list(groups), lr=lr)
