"""Numbers that tell a healthy objective from a collapsed one, label-free and without gradient."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from labelfree.objectives.base import in_fp32


@torch.no_grad()
def similarities(first: Tensor, second: Tensor) -> dict[str, Tensor]:
    """What two views' projections tell of collapse; `first`, `second`: (N, D), row i of one is the positive of row i of the other.

    Mean cosine of positives and of negatives in this rank's batch. `separation`, (positive - negative) / (1 - negative): 1 when two views
    of an image are the same and images differ, 0 when two views are no more alike than two images. `projection_std`: see `unit_std`.
    `projection_rank`: see `participation_ratio`; BatchNorm in a head can hide a collapse from a deviation, but not from it.
    """
    a, b = F.normalize(first.float(), dim=-1), F.normalize(second.float(), dim=-1)
    n, positive = len(a), (a * b).sum(-1).mean()
    negative = ((a.sum(0) * b.sum(0)).sum() - n * positive) / max(n * (n - 1), 1)
    return {
        "positive_similarity": positive,
        "negative_similarity": negative,
        "separation": (positive - negative) / (1 - negative).clamp_min(1e-4),
        "projection_std": unit_std(first),
        "projection_rank": participation_ratio(a),
    }


@torch.no_grad()
def participation_ratio(unit: Tensor) -> Tensor:
    """How many directions unit vectors (N, D) use: 1 / mean squared cosine of all pairs, from 1 (all on one axis) to min(N, D). In fp32.

    It is that of their second moments' spectrum: cheaper than RankMe, and led by the large directions.
    """
    with in_fp32(unit):
        moments = unit @ unit.T if len(unit) < unit.shape[1] else unit.T @ unit
        return len(unit) ** 2 / moments.square().sum()


@torch.no_grad()
def unit_std(x: Tensor) -> Tensor:
    """Mean per-dimension standard deviation of unit vectors (N, D), times sqrt(D): 1 when spread evenly, 0 when all are the same."""
    return F.normalize(x.float(), dim=-1).std(dim=0, unbiased=False).mean() * x.shape[-1] ** 0.5


@torch.no_grad()
def teacher_entropies(target: Tensor) -> dict[str, Tensor]:
    """What a teacher tells images apart by. `target`: (N, K) probabilities. All as shares of log K:

    `teacher_entropy` of one answer, `marginal_entropy` of the mean answer, and `information`, their difference: the mutual information
    of image and answer, 0 when every image gets the same answer, whether one prototype or all of them.
    """
    most = math.log(target.shape[-1])
    each, mean = entropy(target).mean() / most, entropy(target.mean(0)) / most
    return {"teacher_entropy": each, "marginal_entropy": mean, "information": mean - each}


def entropy(p: Tensor) -> Tensor:
    """Of the last dimension, in nats."""
    return -(p * p.clamp_min(1e-12).log()).sum(-1)
