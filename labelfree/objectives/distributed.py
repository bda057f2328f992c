"""The process group as objectives see it: gather rows, know your own columns, average and sum over ranks.

The convention: a rank's loss is the mean over its own rows, so that the mean over ranks of losses, and of gradients (what DDP takes),
is that of one process with the joint batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True)
class Ranks:
    """`rank` of `world` equal processes. With world 1 nothing is sent and no process group is needed.

    Every method is a collective: all ranks call it in the same order, with equal shapes, and with gradients on all or on none.
    """

    rank: int = 0
    world: int = 1

    def gather(self, x: Tensor) -> Tensor:
        """(V, N, D) on every rank -> (V, world * N, D), ranks in order, gradients kept."""
        return x if self.world == 1 else _Gather.apply(x, self)

    def gather_constant(self, x: Tensor) -> Tensor:
        """As `gather`, without gradient: for keys, queues and labels."""
        return x.detach() if self.world == 1 else _gathered(x, self.world)

    def columns(self, n: int, device: torch.device | None = None) -> Tensor:
        """Columns of this rank's N rows among the world * N gathered ones: (N,)."""
        return self.rank * n + torch.arange(n, device=device)

    def positions(self, n: int, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
        """Columns of this rank's 2N views among the 2 * world * N gathered ones: (of itself, of its positive), each (2N,)."""
        first = self.columns(n, device)
        second = first + self.world * n
        return torch.cat([first, second]), torch.cat([second, first])

    def sum(self, x: Tensor) -> Tensor:
        """Sum of `x` over the ranks, on every rank (no gradient)."""
        return x.detach() if self.world == 1 else _summed(x)

    def mean(self, x: Tensor) -> Tensor:
        """Average of `x` over the ranks, on every rank (no gradient)."""
        return self.sum(x) / self.world if self.world > 1 else x.detach()


ALONE = Ranks()


def everyone() -> Ranks:
    """The ranks of the running process group, or ALONE."""
    if dist.is_available() and dist.is_initialized():
        return Ranks(dist.get_rank(), dist.get_world_size())
    return ALONE


class _Gather(torch.autograd.Function):
    """Rows of all ranks; a row's gradient is the sum of what every rank's loss says of it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, ranks: Ranks) -> Tensor:
        ctx.mine = slice(ranks.rank * x.shape[1], (ranks.rank + 1) * x.shape[1])
        return _gathered(x, ranks.world)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return _summed(gradients[0])[:, ctx.mine], None


def _gathered(x: Tensor, world: int) -> Tensor:
    x = x.detach().contiguous()
    parts = [torch.empty_like(x) for _ in range(world)]
    dist.all_gather(parts, x)
    return torch.cat(parts, dim=1)


def _summed(x: Tensor) -> Tensor:
    total = x.detach().clone(memory_format=torch.contiguous_format)
    dist.all_reduce(total)
    return total
