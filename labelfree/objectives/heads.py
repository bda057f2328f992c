"""Projection heads and prototypes shared by the objectives."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labelfree.objectives.base import in_fp32


def mlp(dim: int, hidden: int, out: int, layers: int = 2, *, norm: bool = True, norm_out: bool = False) -> nn.Sequential:
    """Projector or predictor of `layers` linear layers with BatchNorm (optional) and ReLU between them: (B, dim) -> (B, out).

    `norm_out`: BatchNorm without scale and shift after the last layer as well (SimSiam, MoCo v3).
    """
    widths = [dim] + [hidden] * (layers - 1) + [out]
    modules: list[nn.Module] = []
    for i, (before, after) in enumerate(pairwise(widths)):
        last = i == layers - 1
        modules.append(nn.Linear(before, after, bias=not (norm_out if last else norm)))
        if not last:
            modules += [nn.BatchNorm1d(after), nn.ReLU(inplace=True)] if norm else [nn.ReLU(inplace=True)]
    return nn.Sequential(*modules, *([nn.BatchNorm1d(out, affine=False)] if norm_out else []))


class PrototypeHead(nn.Module):
    """DINO's head: three linear layers with GELU to a bottleneck on the unit sphere, then one unit-norm prototype an output.

    (B, dim) -> (B, prototypes) cosine similarities. No BatchNorm, as in the paper's default (Caron et al. 2021, section 3.2).
    """

    def __init__(self, dim: int, prototypes: int, hidden: int = 2048, bottleneck: int = 256) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, bottleneck))
        self.prototypes = nn.Parameter(torch.empty(prototypes, bottleneck))
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)
        nn.init.normal_(self.prototypes)

    def forward(self, x: Tensor) -> Tensor:
        bottleneck = self.layers(x)
        with in_fp32(x):  # cosines are divided by temperatures of a few hundredths
            return F.linear(F.normalize(bottleneck.float(), dim=-1), F.normalize(self.prototypes, dim=-1))

    def cancel_prototype_gradient(self) -> None:
        """Freeze the last layer for this step (section "avoiding collapse" of the paper: the first epochs)."""
        self.prototypes.grad = None
