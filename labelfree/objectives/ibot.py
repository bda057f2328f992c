"""iBOT: Image BERT Pre-Training with Online Tokenizer (Zhou et al. 2022, arXiv:2111.07832): which tokens are hidden, and the loss there."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from labelfree.device_copies import beside
from labelfree.objectives.base import in_fp32


def ibot_loss(student: Tensor, target: Tensor, hidden: Tensor, student_temperature: float) -> Tensor:
    """Cross entropy at hidden tokens, each weighted by 1 / hidden tokens of its image, over the number of images (eq. 2 of the paper).

    `student`: (M, K) logits and `target`: (M, K) teacher probabilities of the M tokens at which `hidden` (N, *grid) is True. In fp32.
    """
    with in_fp32(student):
        cross_entropy = -(target.float() * F.log_softmax(student.float() / student_temperature, dim=-1)).sum(-1)  # (M,)
        flat = hidden.flatten(1)
        weight = (1.0 / flat.sum(1, keepdim=True).clamp_min(1)).expand(flat.shape)[flat]  # (M,)
        return (cross_entropy * beside(weight, cross_entropy)).sum() / len(hidden)


def at_hidden(tokens: Tensor | None, hidden: Tensor) -> Tensor:
    """The tokens (N, D, *grid) at which `hidden` (N, *grid), on the host, is True: (M, D)."""
    assert tokens is not None
    return tokens.movedim(1, -1).flatten(0, -2)[beside(hidden.flatten().nonzero().flatten(), tokens)]


def hidden_blocks(n: int, grid: Sequence[int], share: float, ratio: tuple[float, float]) -> Tensor:
    """(n, *grid) bool: in a `share` of the images, one block of tokens is hidden, the size of `ratio` of the grid, drawn evenly.

    A block is the tokens nearest to a random one in a maximum norm with randomly stretched axes, so that it has exactly as many
    tokens as was drawn, on grids of any size, even or odd, 2D or 3D: at least one, and never all of them. Draws from torch's default
    generator, on the host: how many are hidden is known without waiting for a device.
    """
    axes = torch.meshgrid(*(torch.arange(side) for side in grid), indexing="ij")
    tokens = torch.stack([axis.flatten() for axis in axes], dim=-1).float()  # (T, axes)
    centre = tokens[torch.randint(len(tokens), (n,))]  # (n, axes)
    stretch = torch.exp(torch.empty(n, len(grid)).uniform_(-0.6, 0.6))  # sides differ by up to exp(1.2), 3.3 times
    distance = ((tokens - centre[:, None]).abs() * stretch[:, None]).amax(-1)  # (n, T)
    rank = distance.argsort(dim=1, stable=True).argsort(dim=1)
    low, high = ratio
    count = (torch.empty(n).uniform_(low, high) * len(tokens)).round().clamp(1, len(tokens) - 1)
    chosen = torch.rand(n) < share
    return ((rank < count[:, None]) & chosen[:, None]).unflatten(1, tuple(grid))
