"""How an oracle is asked: value and gradients of a loss on given inputs."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def value_and_gradients(loss: Callable[..., Tensor], *inputs: Tensor) -> tuple[Tensor, ...]:
    """The loss of `inputs` and its gradient for each of them."""
    leaves = [x.clone().requires_grad_() for x in inputs]
    value = loss(*leaves)
    return value.detach(), *torch.autograd.grad(value, leaves)
