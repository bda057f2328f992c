"""Which tokens are hidden from the student (iBOT, Zhou et al. 2022, arXiv:2111.07832)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def block_masks(n: int, grid: Sequence[int], share: float, ratio: tuple[float, float], device: torch.device | str = "cpu") -> Tensor:
    """(n, *grid) bool: in a `share` of the images, one block of tokens is hidden, the size of `ratio` of the grid, drawn evenly.

    A block is the tokens nearest to a random one in a maximum norm with randomly stretched axes, so that it has exactly as many
    tokens as was drawn, on grids of any size, even or odd, 2D or 3D: at least one, and never all of them. Draws from torch's default
    generator.
    """
    axes = torch.meshgrid(*(torch.arange(side, device=device) for side in grid), indexing="ij")
    tokens = torch.stack([axis.flatten() for axis in axes], dim=-1).float()  # (T, axes)
    centre = tokens[torch.randint(len(tokens), (n,), device=device)]  # (n, axes)
    stretch = torch.exp(torch.empty(n, len(grid), device=device).uniform_(-0.6, 0.6))  # sides differ by up to exp(1.2), 3.3 times
    distance = ((tokens - centre[:, None]).abs() * stretch[:, None]).amax(-1)  # (n, T)
    rank = distance.argsort(dim=1, stable=True).argsort(dim=1)
    low, high = ratio
    count = (torch.empty(n, device=device).uniform_(low, high) * len(tokens)).round().clamp(1, len(tokens) - 1)
    chosen = torch.rand(n, device=device) < share
    return ((rank < count[:, None]) & chosen[:, None]).unflatten(1, tuple(grid))
