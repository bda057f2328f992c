"""The normalised cut of an image's tokens in two (Shi and Malik 2000): TokenCut (Wang et al. 2022, arXiv:2202.11539) on the affinity of
Deep Spectral Methods (Melas-Kyriazi et al. 2022, arXiv:2205.07839): cosines, where they are positive.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from labelfree.transfer.maps.base import to_shape
from labelfree.transfer.maps.tokens import pooled_to

MOST_TOKENS = 1024  # of one image, 32 x 32: its affinities are a table of all pairs
FAINT = 1e-5  # the affinity of tokens that have none, so that the graph is one piece


def spectral_cut(tokens: Tensor) -> Tensor:
    """Where an image's tokens (C, *grid) part: (*grid) float32, above 0 on the side that stands out.

    It is the second eigenvector y of (D - W) y = l D y less its mean, W being the affinities, D their sums; the side that stands out is
    that of its largest entry (TokenCut, 3.2). Tokens are taken as they come: centre them before. 0 where nothing parts them.
    """
    from scipy.linalg import eigh
    from threadpoolctl import threadpool_limits

    rows = F.normalize(tokens.flatten(1).T.double().cpu(), dim=1)
    count = len(rows)
    if count < 3 or bool((rows - rows[0]).abs().max() < 1e-9):
        return torch.zeros(tokens.shape[1:], device=tokens.device)
    affinity = (rows @ rows.T).clamp(min=FAINT).numpy()
    root = 1 / np.sqrt(affinity.sum(1))
    with threadpool_limits(1):
        _, vectors = eigh(root[:, None] * affinity * root, subset_by_index=(count - 2, count - 2))
    parting = root * vectors[:, 0]
    parting -= parting.mean()
    parting *= np.sign(parting[np.abs(parting).argmax()])
    return torch.from_numpy(parting / np.abs(parting).max()).to(tokens.device, torch.float32).reshape(tokens.shape[1:])


def cut_in_two(maps: Tensor, shape: Sequence[int]) -> Tensor:
    """Tokens (B, C, *grid) -> the side of every pixel, (B, *shape) int64, 1 on the side that stands out."""
    parted = torch.stack([spectral_cut(tokens) for tokens in pooled_to(maps, MOST_TOKENS)])
    return (to_shape(parted[:, None], tuple(shape))[:, 0] > 0).long()
