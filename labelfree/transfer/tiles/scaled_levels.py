"""Levels of features brought to one scale: channels differ in it by powers of ten."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from labelfree.transfer.tiles.base import TileHead


class ScaledLevels(TileHead):
    """A head that knows mean and standard deviation of every channel of its levels: buffers `mean0`, `std0`, `mean1` and so on."""

    def hold_scales(self, widths: Sequence[int]) -> None:
        """Begin with mean 0 and deviation 1. `widths`: channels of each level."""
        self._scaled = len(widths)
        for position, channels in enumerate(widths):
            self.register_buffer(f"mean{position}", torch.zeros(channels))
            self.register_buffer(f"std{position}", torch.ones(channels))

    def standardised(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """(B, C_l, *grid_l) each with mean 0 and deviation 1 where it was `measured` so."""
        return [(level - _of(mean, level)) / _of(std, level) for level, (mean, std) in zip(levels, self._scales(), strict=True)]

    @torch.no_grad()
    def measure(self, batches: Iterable[list[Tensor]]) -> None:
        """Take the scale of every channel from what the head will learn from."""
        sums: list[Tensor] = []
        for levels in batches:
            batch = [torch.stack([torch.ones_like(x), x, x.square()]).sum((1, 3)) for x in (one.double().flatten(2) for one in levels)]
            sums = [before + now for before, now in zip(sums, batch, strict=True)] if sums else batch
        for (count, total, squares), (mean, std) in zip(sums, self._scales(), strict=True):
            mean.copy_(total / count)
            spread = (squares / count - (total / count).square()).clamp(min=0).sqrt()
            std.copy_(torch.where(spread > 1e-6 * (squares / count).sqrt(), spread, 1.0))  # what never changes says nothing

    def _scales(self) -> list[tuple[Tensor, Tensor]]:
        return [(self.get_buffer(f"mean{position}"), self.get_buffer(f"std{position}")) for position in range(self._scaled)]


def _of(channels: Tensor, level: Tensor) -> Tensor:
    return channels.view(1, -1, *(1,) * (level.ndim - 2))
