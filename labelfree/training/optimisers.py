"""Optimisers for pretraining: weight decay on matrices only, the backbone in groups of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from labelfree.training.lars import LARS

OPTIMISERS: dict[str, Callable[..., Optimizer]] = {
    "adamw": torch.optim.AdamW,
    "lars": LARS,
    "sgd": partial(torch.optim.SGD, momentum=0.9),
}


def parameter_groups(
    backbone: nn.Module, whole: nn.Module, weight_decay: float, steady: Iterable[str] = ()
) -> list[dict[str, Any]]:
    """Up to six groups: backbone, heads and `steady` (submodules of `whole` by name, whose rate does not decay), each with its matrices
    (decayed) and its norms and biases (not decayed).
    """
    part = {id(p): "steady" for name in steady for p in whole.get_submodule(name).parameters()}
    part |= {id(p): "backbone" for p in backbone.parameters()}
    groups = []
    for wanted in ("backbone", "head", "steady"):
        chosen = [p for p in whole.parameters() if p.requires_grad and part.get(id(p), "head") == wanted]
        groups += [
            {"part": wanted, "weight_decay": weight_decay, "params": [p for p in chosen if p.ndim > 1]},
            {"part": wanted, "weight_decay": 0.0, "params": [p for p in chosen if p.ndim <= 1]},
        ]
    return [group for group in groups if group["params"]]


def make_optimiser(name: str, groups: Iterable[dict[str, Any]], lr: float) -> Optimizer:
    """The optimiser called `name` (a key of OPTIMISERS)."""
    return OPTIMISERS[name](list(groups), lr=lr)
