"""BatchNorm over the joint batch of all processes (Ioffe and Szegedy 2015, arXiv:1502.03167): what one process would compute.

torch's SyncBatchNorm replaces layers and refuses tensors on the processor. Here the layers stay what they are, in networks, checkpoints
and exports, and what they ask for is answered otherwise while `joint_statistics` lasts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from labelfree.objectives.distributed import Ranks, everyone


def joint_statistics() -> AbstractContextManager[Any]:
    """Within: every BatchNorm in training mode normalises by, and learns, the statistics of all ranks' batches together.

    Layers in evaluation mode, and a process that is alone, do as ever. All ranks pass the same layers in the same order.
    """
    ranks = everyone()
    return _Joint(ranks) if ranks.world > 1 else nullcontext()


class _Joint(TorchFunctionMode):
    """Answers `F.batch_norm`, through which every BatchNorm layer goes, torch's and timm's."""

    def __init__(self, ranks: Ranks) -> None:
        super().__init__()
        self.ranks = ranks

    def __torch_function__(
        self, function: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if function is F.batch_norm:
            return joint_batch_norm(self.ranks, *args, **kwargs)
        return function(*args, **kwargs)


def joint_batch_norm(
    ranks: Ranks,
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """`F.batch_norm` with the statistics of every rank's `input` (N, C, *spatial); N may differ between ranks."""
    if not training:
        return F.batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    with torch.no_grad():
        mean, var, count = _moments(input, ranks)
        for running, now in ((running_mean, mean), (running_var, var * count / (count - 1))):
            if running is not None:
                running.lerp_(now.to(running.dtype), momentum)
    return _Normalise.apply(input, weight, bias, mean, var, count, eps, ranks)


def _moments(x: Tensor, ranks: Ranks) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and biased variance over all ranks, merged from theirs (Chan et al. 1979), and the number of values; (C,) each."""
    var, mean = torch.var_mean(_wide(x), _all_but_channels(x), correction=0)
    count = torch.full_like(mean, x.numel() // x.shape[1])
    means, variances, counts = ranks.gather_constant(torch.stack([mean, var, count])[:, None])  # (world, C) each
    total = counts.sum(0)
    mean = (counts * means).sum(0) / total
    return mean, (counts * (variances + (means - mean).square())).sum(0) / total, total


class _Normalise(torch.autograd.Function):
    """(x - mean) / sqrt(var + eps) * weight + bias; mean and variance depend on the x of every rank, so gradients are summed over them."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor, var: Tensor, count: Tensor, eps: float, ranks: Ranks
    ) -> Tensor:
        ctx.save_for_backward(x, weight, mean, torch.rsqrt(var + eps), count)
        ctx.ranks = ranks
        return F.batch_norm(x, mean, var, weight, bias, False, 0.0, eps)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, scale, count = ctx.saved_tensors
        given = _wide(gradients[0])
        axes, shape = _all_but_channels(x), (1, -1, *[1] * (x.ndim - 2))
        centred = _wide(x) - mean.view(shape)
        sums = torch.stack([given.sum(axes), (given * centred).sum(axes) * scale])  # (2, C): of bias, of weight
        of_input = None
        if ctx.needs_input_grad[0]:
            through_mean, through_scale = ctx.ranks.sum(sums) / count
            slope = scale if weight is None else scale * weight
            of_input = torch.addcmul((-slope * through_mean).view(shape), centred, (-slope * scale * through_scale).view(shape))
            of_input = of_input.addcmul(given, slope.view(shape)).to(x.dtype)
        of_bias, of_weight = sums if weight is not None else (None, None)
        return of_input, of_weight, of_bias, None, None, None, None, None


def _wide(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()


def _all_but_channels(x: Tensor) -> list[int]:
    return [axis for axis in range(x.ndim) if axis != 1]
