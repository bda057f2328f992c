"""LARS: Large Batch Training of Convolutional Networks (You et al. 2017, arXiv:1708.03888)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.optim import Optimizer


class LARS(Optimizer):
    """SGD with momentum whose rate is scaled, layer by layer, by trust * |w| / |g + decay * w|.

    Groups with `scaled` False are not scaled: norms and biases, as in SimCLR and BYOL.
    """

    def __init__(self, params: Iterable[Any], lr: float, momentum: float = 0.9, weight_decay: float = 1e-6, trust: float = 1e-3) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "trust": trust, "scaled": True})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                update = weight.grad + group["weight_decay"] * weight
                if group["scaled"]:
                    size, pull = weight.norm(), update.norm()
                    scaled = torch.where((size > 0) & (pull > 0), group["trust"] * size / pull, torch.ones_like(size))
                    update = update * scaled
                buffer = self.state[weight].setdefault("momentum", torch.zeros_like(weight))
                buffer.mul_(group["momentum"]).add_(update)
                weight.add_(buffer, alpha=-group["lr"])
        return loss
