"""The process group as objectives see it: gather rows with gradients, know your own columns, average over ranks."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.nn.functional import all_gather


@dataclass(frozen=True)
class Ranks:
    """`rank` of `world` equal processes. With world 1 nothing is sent and no process group is needed."""

    rank: int = 0
    world: int = 1

    def gather(self, x: Tensor) -> Tensor:
        """(V, N, D) on every rank -> (V, world * N, D), ranks in order, gradients kept."""
        return x if self.world == 1 else torch.cat(list(all_gather(x)), dim=1)

    def positions(self, n: int, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
        """Columns of this rank's 2N views among the 2 * world * N gathered ones: (of itself, of its positive), each (2N,)."""
        here = self.rank * n + torch.arange(n, device=device)
        there = here + self.world * n
        return torch.cat([here, there]), torch.cat([there, here])

    def mean(self, x: Tensor) -> Tensor:
        """Average of `x` over the ranks (no gradient)."""
        if self.world == 1:
            return x
        total = x.detach().clone()
        dist.all_reduce(total)
        return total / self.world


ALONE = Ranks()


def everyone() -> Ranks:
    """The ranks of the running process group, or ALONE."""
    if dist.is_available() and dist.is_initialized():
        return Ranks(dist.get_rank(), dist.get_world_size())
    return ALONE
