"""A few vectors that stand for many: each is near to one of them (greedy k-centre: Sener and Savarese 2018, arXiv:1708.00489)."""

from __future__ import annotations

import torch
from torch import Tensor

from labelfree.training.randomness import generator
from labelfree.transfer.patches.distances import lengths

PROJECTED = 128  # dimensions that distances are measured in while vectors are chosen (Johnson and Lindenstrauss 1984)

ROUNDING = 1e-6  # of the largest square, below which a distance is none


def k_centres(vectors: Tensor, count: int, seed: int) -> Tensor:
    """Positions of at most `count` of `vectors` (n, D): the first by chance, then always the one that lies furthest from all chosen.

    Fewer where all others repeat those chosen. Equal arguments choose the same.
    """
    draw = generator("coreset", seed)
    seen = projected(vectors, draw)
    square, apart = lengths(seen), seen.new_full((len(seen),), torch.inf)
    chosen = [int(torch.randint(len(seen), (1,), generator=draw))]
    while len(chosen) < min(count, len(seen)):
        last = chosen[-1]
        apart = torch.minimum(apart, square + square[last] - 2 * (seen @ seen[last]))
        apart[last] = 0.0
        furthest = int(apart.argmax())
        if apart[furthest] <= ROUNDING * square.amax():
            break
        chosen.append(furthest)
    return torch.tensor(chosen)


def projected(vectors: Tensor, draw: torch.Generator) -> Tensor:
    """(n, D) -> (n, PROJECTED) by a random matrix that keeps distances on average; as they are where they have no more dimensions.

    Centred, so that squares keep their digits.
    """
    centred = vectors - vectors.mean(0)
    if vectors.shape[1] <= PROJECTED:
        return centred
    return centred @ (torch.randn(vectors.shape[1], PROJECTED, generator=draw) / PROJECTED**0.5)
