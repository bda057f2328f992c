"""Optimisers: weight decay on matrices only, the backbone in groups of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
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
    backbone: nn.Module,
    whole: nn.Module,
    weight_decay: float,
    steady: Mapping[str, float] = MappingProxyType({}),
    rates: Mapping[str, float] = MappingProxyType({}),
) -> list[dict[str, Any]]:
    """Groups of the backbone, of the heads, and of each submodule in `steady`, whose rate does not decay: matrices (decayed by
    `weight_decay`) apart from norms and biases (not decayed). `part` says which; `factor`, as `steady` or `rates` gives it, multiplies the
    rate; in `scaled` groups LARS scales it by layer.
    """
    part = {id(p): name for name in steady for p in whole.get_submodule(name).parameters()}
    part |= {id(p): "backbone" for p in backbone.parameters()}
    factors = {**rates, **steady}
    groups: list[dict[str, Any]] = []
    for wanted in ("backbone", "head", *steady):
        chosen = [p for p in whole.parameters() if p.requires_grad and part.get(id(p), "head") == wanted]
        groups += by_decay(chosen, weight_decay, part="steady" if wanted in steady else wanted, factor=factors.get(wanted, 1.0))
    return groups


def by_decay(parameters: Sequence[nn.Parameter], weight_decay: float, **same: Any) -> list[dict[str, Any]]:
    """Groups of matrices, decayed, and of norms and biases, not decayed; each with what is the `same` for both."""
    groups = [
        {**same, "weight_decay": weight_decay, "scaled": True, "params": [p for p in parameters if p.ndim > 1]},
        {**same, "weight_decay": 0.0, "scaled": False, "params": [p for p in parameters if p.ndim <= 1]},
    ]
    return [group for group in groups if group["params"]]


def by_layer(layers: Sequence[Sequence[nn.Parameter]], weight_decay: float, lr: float, first: float) -> list[dict[str, Any]]:
    """Groups of `layers`, from the input on: the last learns at `lr`, the first at `first` times that, and from layer to layer the rate
    changes by the same factor.
    """
    groups: list[dict[str, Any]] = []
    for layer, parameters in enumerate(layers):
        groups += by_decay(parameters, weight_decay, lr=lr * first ** (1 - layer / max(1, len(layers) - 1)))
    return groups


def make_optimiser(name: str, groups: Iterable[dict[str, Any]], lr: float) -> Optimizer:
    """The optimiser called `name` (a key of OPTIMISERS)."""
    return OPTIMISERS[name](list(groups), lr=lr)
