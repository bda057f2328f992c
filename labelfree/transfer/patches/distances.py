"""The nearest of many vectors, in blocks of bounded memory."""

from __future__ import annotations

import torch
from torch import Tensor

NUMBERS = 2**23  # of distances held at once


def nearest(queries: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
    """Of each of `queries` (n, D) the Euclidean distance to the nearest of `kept` (m, D), and which that is: (n,), (n,)."""
    which = [(lengths(kept) - 2 * part @ kept.T).argmin(1) for part in queries.split(max(1, NUMBERS // len(kept)))]
    at = torch.cat(which) if which else torch.zeros(0, dtype=torch.int64)
    return (queries - kept[at]).norm(dim=1), at  # of the nearest alone: the square above loses digits


def lengths(vectors: Tensor) -> Tensor:
    """(n, D) -> (n,) squared."""
    return vectors.square().sum(1)
