"""What tokens tell of an image without any label: their main directions as colours, their clusters, and where a network looks.

Colours: DINOv2 (Oquab et al. 2023, arXiv:2304.07193, fig. 1). Attention: DINO (Caron et al. 2021, arXiv:2104.14294, fig. 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from labelfree.backbones import Backbone
from labelfree.transfer.maps.base import to_shape

CELLS = 14  # along the longest side: what a ViT sees of 224 pixels in patches of 16
MOST = 20_000  # tokens that statistics and clusters are made of
A_CLASS, FEWEST, MOST_CLUSTERS = 4, 8, 64
SHOWN = (2.0, 98.0)  # per cent of the set's tokens, between which a colour goes from nothing to full


def seen_level(levels: Sequence[Tensor]) -> int:
    """Position of the last of `levels` (B, C_i, *grid_i), finest first, that has `CELLS` cells along its longest side; else the finest.

    A ViT's levels have one grid, so it is the last; the last stage of a CNN has too few cells for a picture.
    """
    fine = [at for at, level in enumerate(levels) if max(level.shape[2:]) >= CELLS]
    return fine[-1] if fine else 0


def seen_levels(levels: Sequence[Tensor], shape: Sequence[int]) -> tuple[int, ...]:
    """That level, and before it the one that has what each pixel of (*shape) is by itself, where there is one."""
    at = seen_level(levels)
    return (0, at) if at and tuple(levels[0].shape[2:]) == tuple(shape) else (at,)


def attention_maps(backbone: Backbone, x: Tensor) -> Tensor | None:
    """(B, 1 + heads, *grid): where the last block looks, on average and by each head; None of a network that has no heads (a CNN)."""
    heads = backbone.attention(x)
    return None if heads is None else torch.cat([heads.mean(1, keepdim=True), heads], 1)


def sampled(images: Sequence[Tensor]) -> Tensor:
    """Tokens (n, C) of a set of images (C, *grid), `MOST` of them at equal distances."""
    rows = torch.cat([image.flatten(1).T for image in images])
    step = max(1, -(-len(rows) // MOST))
    return rows[::step].float()


@dataclass(frozen=True)
class Standard:
    """Brings tokens to mean 0 and spread 1 in every channel, as measured on a set. `mean`, `std`: (C,)."""

    mean: Tensor
    std: Tensor

    @classmethod
    def of(cls, tokens: Tensor) -> Standard:
        """`tokens`: (n, C)."""
        std = tokens.std(0, unbiased=False)
        return cls(tokens.mean(0), torch.where(std > 1e-6 * tokens.abs().amax(0).clamp(min=1e-12), std, torch.ones_like(std)))

    def __call__(self, maps: Tensor) -> Tensor:
        """(B, C, *grid) -> the same."""
        along = (1, -1, *(1,) * (maps.ndim - 2))
        return (maps - self.mean.view(along)) / self.std.view(along)


@dataclass(frozen=True)
class TokenColours:
    """The three main directions of a set's tokens as red, green and blue, so that a colour means the same in all its images.

    `mean`: (C,). `axes`: (3, C), 0 where a set has fewer directions. `low`, `high`: (3,), drawn as nothing and as full.
    """

    mean: np.ndarray
    axes: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, images: Sequence[Tensor]) -> TokenColours:
        """`images`: tokens (C, *grid) of each; grids may differ."""
        from sklearn.decomposition import PCA

        tokens = sampled(images).double().numpy()
        mean, axes = tokens.mean(0), np.zeros((3, tokens.shape[1]))
        if tokens.std(0).max() > 0:
            found = PCA(min(3, *tokens.shape), svd_solver="covariance_eigh").fit(tokens)
            axes[: len(found.components_)] = found.components_
        low, high = np.percentile((tokens - mean) @ axes.T, SHOWN, axis=0)
        return cls(mean, axes, low, high)

    def directions(self, tokens: Tensor) -> np.ndarray:
        """Tokens (C, *grid) along the main directions: (*grid, 3)."""
        return (np.moveaxis(tokens.double().numpy(), 0, -1) - self.mean) @ self.axes.T

    def picture(self, tokens: Tensor) -> np.ndarray:
        """(C, *grid) -> (*grid, 3) uint8; a direction that tells nothing apart is drawn in the middle."""
        width = self.high - self.low
        shares = np.divide(self.directions(tokens) - self.low, width, out=np.full((*tokens.shape[1:], 3), 0.5), where=width > 1e-9)
        return np.rint(255 * shares.clip(0, 1)).astype(np.uint8)


def cluster_count(classes: int, tokens: int) -> int:
    """How many clusters `tokens` tokens are put into: four a class, 8 to 64, and eight tokens in each on average."""
    return max(1, min(max(A_CLASS * classes, FEWEST), MOST_CLUSTERS, tokens // 8))


def centroids(tokens: Tensor, count: int, seed: int = 0) -> Tensor:
    """Centres (count, C) of `tokens` (n, C) by k-means, the largest cluster first. The same for the same tokens and seed."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # sums of several threads differ in their last digits
        found = KMeans(min(count, len(tokens)), n_init=3, random_state=seed).fit(tokens.double().numpy())
    sizes = np.bincount(found.labels_, minlength=len(found.cluster_centers_))
    return torch.from_numpy(found.cluster_centers_[np.argsort(-sizes, kind="stable")]).float()


def affinities(maps: Tensor, centres: Tensor) -> Tensor:
    """(B, C, *grid) -> (B, k, *grid): the higher, the nearer is a centre (k, C). Linear in the tokens, less what is the same for all
    centres: between cells they may be interpolated as tokens would be.
    """
    projected = 2 * torch.einsum("bc...,kc->bk...", maps, centres)
    return projected - centres.square().sum(1).view(1, -1, *(1,) * (maps.ndim - 2))


@dataclass(frozen=True)
class TokenClusters:
    """The clusters of a set's tokens, numbered alike in all its images. `centres`: (k, C), of tokens that are `standard`."""

    standard: Standard
    centres: Tensor

    @classmethod
    def of(cls, images: Sequence[Tensor], seed: int = 0) -> TokenClusters:
        """`images`: tokens (C, *grid) of each; grids may differ."""
        tokens = sampled(images)
        standard = Standard.of(tokens)
        return cls(standard, centroids(standard(tokens), cluster_count(0, len(tokens)), seed))

    def mask(self, tokens: Tensor, shape: tuple[int, ...]) -> np.ndarray:
        """A label-free mask: the cluster of every pixel of an image whose tokens are (C, *grid): (*shape) int64."""
        mask: np.ndarray = to_shape(affinities(self.standard(tokens[None].float()), self.centres), shape)[0].argmax(0).numpy()
        return mask


def averaged(maps: Tensor, grid: Sequence[int]) -> Tensor:
    """(B, C, *grid) -> means of neighbouring cells on a coarser `grid`."""
    pool = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}[len(grid)]
    smaller: Tensor = pool(maps, tuple(grid))  # type: ignore[operator, arg-type]
    return smaller


def pooled_to(maps: Tensor, most: int) -> Tensor:
    """(B, C, *grid) averaged until a grid has at most `most` cells."""
    shrink = (most / prod(maps.shape[2:])) ** (1 / (maps.ndim - 2))
    return maps if shrink >= 1 else averaged(maps, [max(1, int(side * shrink)) for side in maps.shape[2:]])
