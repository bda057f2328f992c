"""A 1 x 1 head: logistic regression on the features that a network gives at labelled pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from labelfree.domain import IGNORE
from labelfree.transfer.maps.base import LINEAR, MapHead, MapProtocol, to_shape
from labelfree.transfer.maps.learning import Learn
from labelfree.transfer.protocols.linear import Linear
from labelfree.transfer.tasks.base import Targets
from labelfree.transfer.tiles.base import Fitted

PIXELS = 8_000  # labelled pixels that a head is fitted on, at most
C = 1.0  # scikit-learn's, for rows of length 1; of 0.01 to 100,000 the best on dev rows of water_multiband, as is the weight of levels


class PixelLinear(MapProtocol):
    """Every level brought to the pixels, standardised, then multinomial logistic regression with an L2 penalty on labelled pixels.

    Each level counts alike, whatever its number of channels: deep levels have many and tell little of where things end.
    Interpolation and a linear layer commute, so the head is applied to each level where it is coarse.
    """

    name = "linear"
    words, title = "linear", "linear head"
    reading = "linear head: a single linear layer tells each pixel's class from the frozen network's feature maps"
    method = f"Linear: logistic regression on up to {PIXELS:,} labelled pixels, C = {C:g} for standardised features, levels of length 1."
    preparation = "standardise"
    settings, default = (C,), C

    def fit(self, learn: Learn) -> Fitted:
        rows, classes, weights = labelled_pixels(learn)
        mean, std = np.average(rows, axis=0, weights=weights), rows.std(0)
        std = np.where(std > 0, std, 1.0) * np.repeat(np.sqrt([len(learn.widths) * width for width in learn.widths]), learn.widths)
        targets = Targets(classes, learn.width)
        regression = next(Linear().regressions((rows - mean) / std, targets, [C], weights))
        head = self.head({"width": learn.width, "widths": list(learn.widths)})
        weight = regression.weight / std
        head.weight.copy_(torch.from_numpy(weight))
        head.bias.copy_(torch.from_numpy(regression.bias - weight @ mean))
        return Fitted(head, converged=regression.converged)

    def head(self, config: Mapping[str, Any]) -> PixelLinearHead:
        return PixelLinearHead(config["width"], config["widths"])


class PixelLinearHead(MapHead):
    """`weight` (K, C), C being all levels' channels one after the other, and `bias` (K,)."""

    weight: Tensor
    bias: Tensor

    def __init__(self, width: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.config = {"width": width, "widths": list(widths)}
        self.register_buffer("weight", torch.zeros(width, sum(widths)))
        self.register_buffer("bias", torch.zeros(width))

    def forward(self, levels: Sequence[Tensor], shape: tuple[int, ...]) -> Tensor:
        parts = self.weight.split([level.shape[1] for level in levels], dim=1)
        told = [to_shape(torch.einsum("kc,bc...->bk...", part, level), shape) for part, level in zip(parts, levels, strict=True)]
        return torch.stack(told).sum(0) + self.bias.view(1, -1, *(1,) * len(shape))


def labelled_pixels(learn: Learn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(n, C) features, (n,) classes and (n,) weights of labelled pixels: as many of each class in each tile as there is room for.

    Weights make up for classes that show more pixels than were taken; they are 1 on average.
    """
    generator = np.random.default_rng(learn.seed)
    turned = np.zeros(1, bool)

    def mask_of(tile: int) -> np.ndarray:  # asked for twice: of volumes they do not all fit into memory
        return learn.masks([tile], turned)[0].flatten().numpy()

    learn.maps.read(learn.tiles, learn.tiles[:0])
    present = [[label for label in np.unique(mask_of(tile)).tolist() if label != IGNORE] for tile in learn.tiles]
    room = max(1, PIXELS // max(1, sum(map(len, present))))
    rows, classes, weights = list[np.ndarray](), list[np.ndarray](), list[np.ndarray]()
    for tile, labels in zip(learn.tiles, present, strict=True):
        chosen, mask = [], mask_of(tile) if labels else np.empty(0)
        for label in labels:
            pixels = np.flatnonzero(mask == label)
            taken = generator.permutation(pixels)[:room]
            chosen.append(taken)
            classes.append(np.full(len(taken), label))
            weights.append(np.full(len(taken), len(pixels) / len(taken)))
        if chosen:
            rows.append(at_pixels(learn.levels([tile], turned), np.concatenate(chosen), learn.shape))
    weight = np.concatenate(weights)
    return np.concatenate(rows).astype(np.float64), np.concatenate(classes), weight / weight.mean()


def at_pixels(levels: Sequence[Tensor], pixels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(n, C) of one tile's levels (1, C_l, *grid_l) at the centres of pixels (n,), counted row by row: what `to_shape` gives there."""
    places = np.stack(np.unravel_index(pixels, shape), axis=1)
    points = torch.from_numpy((2 * places + 1) / np.array(shape) - 1).float().flip(1)  # x first, from -1 to 1 between outer edges
    grid = points.view(1, len(pixels), *(1,) * (len(shape) - 1), len(shape))
    taken = [F.grid_sample(level, grid, mode=LINEAR[2], padding_mode="border", align_corners=False) for level in levels]
    return torch.cat([each.flatten(2)[0] for each in taken]).T.numpy()
