"""KoLeo: Spreading Vectors for Similarity Search (Sablayrolles et al. 2019, arXiv:1806.03198), the entropy of an embedding."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from labelfree.objectives.base import in_fp32
from labelfree.objectives.distributed import ALONE, Ranks

CLOSEST = 1e-4  # distance on the unit sphere below which two embeddings count as duplicates


def koleo_loss(x: Tensor, ranks: Ranks = ALONE) -> Tensor:
    """-mean log of the distance to the nearest other (the Kozachenko-Leonenko estimator, eq. 2 of the paper): least when spread evenly.

    `x`: (N, D) embeddings of one view on this rank, taken on the unit sphere; neighbours are sought on every rank. Exact duplicates take
    no gradient, and a batch of one has no neighbour: 0. A scalar, in fp32.
    """
    with in_fp32(x):
        mine = F.normalize(x.float(), dim=-1)
        everyones = ranks.gather(mine[None])[0]  # (world * N, D), gradients kept
        if len(everyones) < 2:
            return mine.sum() * 0
        with torch.no_grad():
            itself = ranks.columns(len(mine), x.device)
            nearest = (mine @ everyones.T).scatter(1, itself[:, None], -2.0).argmax(dim=1)  # (N,)
        square = (mine - everyones[nearest]).square().sum(-1)
        return -0.5 * square.clamp_min(CLOSEST**2).log().mean()
