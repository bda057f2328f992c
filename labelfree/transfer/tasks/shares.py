"""Shares and their means, NaN where nothing is shared out; what metrics over classes, images and objects are made of."""

from __future__ import annotations

import numpy as np


def share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """`part` over `whole`, NaN where `whole` is 0."""
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=np.asarray(whole) > 0)


def mean_share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Mean share over the last axis, of those whose `whole` is not 0; NaN where there is none."""
    known = whole > 0
    shares = np.divide(part, whole, out=np.zeros_like(part, dtype=np.float64), where=known)
    return share(shares.sum(-1), known.sum(-1))
