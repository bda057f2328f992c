"""Networks that a person could have written, for `module:factory`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from labelfree.backbones import Backbone, Features


class SmallVolumes(nn.Module):
    """Two stages of 3D convolutions with BatchNorm; gives its last map."""

    def __init__(self, channels: int, width: int = 8) -> None:
        super().__init__()
        self.stem = _stage(channels, width)
        self.stage = _stage(width, 2 * width)

    def forward(self, x: Tensor) -> Tensor:
        return self.stage(self.stem(x))


def _stage(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv3d(before, after, 3, stride=2, padding=1), nn.BatchNorm3d(after), nn.ReLU())


def pooled(channels: int) -> nn.Module:
    """Gives vectors, of pictures."""
    return nn.Sequential(nn.Conv2d(channels, 6, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5))


class Whole(Backbone):
    """Fulfils the contract itself: says where it looks."""

    def forward(self, x: Tensor, hidden: Tensor | None = None, mask_token: Tensor | None = None) -> Features:
        tokens = self.net(x)
        return Features(tokens.amax((2, 3)), tokens)

    def attention(self, x: Tensor) -> Tensor:
        tokens = self.net(x).abs()
        return tokens / tokens.sum((2, 3), keepdim=True)


def whole(channels: int) -> Backbone:
    return Whole(nn.Conv2d(channels, 4, 3, 2), "", channels, dims=2, dim=4)


class Twofold(nn.Module):
    """Gives two things."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layer = nn.Conv2d(channels, 2, 1)

    def forward(self, x: Tensor) -> Any:
        return x, x


def volumes_without_norm(channels: int) -> nn.Module:
    """Of volumes; its layers take (C, D, H, W) as well."""
    return nn.Conv3d(channels, 6, 3, 2)


def frozen(channels: int) -> nn.Module:
    return nn.Conv2d(channels, 2, 1).requires_grad_(False)


def fails(channels: int) -> nn.Module:
    raise KeyError("weights")


def no_network(channels: int) -> Any:
    return torch.zeros(channels)
