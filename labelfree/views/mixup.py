"""Two labelled images in one, for fine-tuning: MixUp and CutMix. Targets are mixed by the same draw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor

from labelfree.device_copies import beside
from labelfree.errors import DataError
from labelfree.views.base import ViewOp, bernoulli, draw_seed, floating, per_sample
from labelfree.views.removal import inside_box


@dataclass(frozen=True)
class MixDraw:
    """`partner`: (n,) which other sample comes in. `share`: (n,) how much of it, 0 where not applied.

    `place`: (n, 3) position of what is pasted, 0 first to 1 last.
    """

    partner: Tensor
    share: Tensor
    place: Tensor


class Mix(ViewOp):
    """What both share: partners are a permutation of the batch, shares follow Beta(alpha, alpha)."""

    def __init__(self, alpha: float = 1.0, p: float = 1.0) -> None:
        super().__init__()
        self.alpha = alpha
        self.p = p

    def draw(self, n: int, generator: Generator) -> MixDraw:
        partner = torch.randperm(n, generator=generator)
        chosen = bernoulli(n, self.p, generator)
        numbers = np.random.default_rng(draw_seed(generator))  # torch draws no Beta under a generator
        share = torch.from_numpy(numbers.beta(self.alpha, self.alpha, n)).float()
        return MixDraw(partner, share * chosen, torch.from_numpy(numbers.random((n, 3))).float())

    def targets(self, y: Tensor, params: MixDraw, shape: tuple[int, ...]) -> Tensor:
        """Targets (B, K), one-hot or soft, mixed as images of the spatial `shape` are by this draw. Raises DataError for class numbers."""
        if y.ndim != 2:
            raise DataError(f"{type(self).__name__}: targets of shape {tuple(y.shape)} are not (images, classes); make them one-hot first.")
        share = per_sample(self.came_in(params, shape), y)
        return floating(y, self) + share * (y[beside(params.partner, y)] - y)

    def came_in(self, params: MixDraw, shape: tuple[int, ...]) -> Tensor:
        """(n,) the share of the partner in an image of the spatial `shape`."""
        raise NotImplementedError


class MixUp(Mix):
    """Weighted means of two images (Zhang et al. 2018, arXiv:1710.09412)."""

    def apply(self, x: Tensor, params: MixDraw) -> Tensor:  # type: ignore[override]
        return torch.lerp(floating(x, self), x[beside(params.partner, x)], per_sample(params.share, x))

    def came_in(self, params: MixDraw, shape: tuple[int, ...]) -> Tensor:
        return params.share


class CutMix(Mix):
    """A box of another image is pasted in (Yun et al. 2019, arXiv:1905.04899). Any dtype: a draw can be replayed on masks."""

    def apply(self, x: Tensor, params: MixDraw) -> Tensor:  # type: ignore[override]
        return torch.where(beside(self._box(params, tuple(x.shape[2:])), x), x[beside(params.partner, x)], x)

    def came_in(self, params: MixDraw, shape: tuple[int, ...]) -> Tensor:
        return self._box(params, shape).flatten(1).float().mean(1)

    def _box(self, params: MixDraw, shape: tuple[int, ...]) -> Tensor:
        """(n, 1, *shape) bool: a box of `share` of the image, inside it."""
        return inside_box(params.share ** (1 / len(shape)), params.place, shape)
