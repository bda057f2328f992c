"""What a protocol does to features before its head sees them: one of two preparations, learned from the labelled training rows alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PREPARATIONS = ("centre_l2", "standardise")


@dataclass(frozen=True)
class Preparation:
    """`mean` (D,), `std` (D,) or None, and widths of the `blocks` that features are made of (a network; a network and statistics).

    With `std`: every dimension to mean 0 and variance 1, over √D. Without: centred, each block to length 1, over √blocks. Either way a
    row has a squared length of about 1, so that one grid of penalties serves both.
    """

    mean: np.ndarray
    std: np.ndarray | None
    blocks: tuple[int, ...]

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """(n, D) -> (n, D) float64."""
        centred = features.astype(np.float64) - self.mean
        if self.std is not None:
            return centred / (self.std * np.sqrt(centred.shape[1]))
        parts = np.split(centred, np.cumsum(self.blocks)[:-1], axis=1)
        return np.concatenate([unit_rows(part) for part in parts], axis=1) / np.sqrt(len(parts))


def prepare(kind: str, rows: np.ndarray, blocks: tuple[int, ...]) -> Preparation:
    """The preparation called `kind`, its statistics from the labelled training `rows` (n, D)."""
    mean = rows.mean(0, dtype=np.float64)
    if kind == "centre_l2":
        return Preparation(mean, None, blocks)
    std = rows.std(0, dtype=np.float64)
    return Preparation(mean, np.where(std > 0, std, 1.0), blocks)


def unit_rows(x: np.ndarray) -> np.ndarray:
    """Rows scaled to length 1; a row of zeros stays."""
    length = np.linalg.norm(x, axis=1, keepdims=True)
    unit: np.ndarray = x / np.where(length > 0, length, 1.0)
    return unit
