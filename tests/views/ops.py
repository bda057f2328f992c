"""Every op, and the batches that tests put through them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from labelfree.views import Blur, ChannelDrop, ChannelGain, Dihedral, Erase, LowResolution, Noise, ResizedCrop, SharedGain, ViewOp


def geometric() -> list[ViewOp]:
    return [ResizedCrop(16, (0.2, 1.0)), Dihedral(transpose=False)]


def filters() -> list[ViewOp]:
    """Ops whose weights sum to 1."""
    return [Blur(p=1.0), LowResolution((1.2, 2.0), p=1.0)]


def photometric() -> list[ViewOp]:
    return [*filters(), SharedGain(), ChannelGain(), Noise(p=1.0)]


def late() -> list[ViewOp]:
    return [ChannelDrop(0.5, p=1.0), Erase(p=1.0)]


def every() -> list[ViewOp]:
    return [*geometric(), *photometric(), *late()]


def without_strength() -> list[ViewOp]:
    """Every op with its strength at nothing."""
    return [
        ResizedCrop(32, (1.0, 1.0), (1.0, 1.0)),
        SharedGain(0.0),
        ChannelGain(0.0),
        Noise((0.0, 0.0), p=1.0),
        Blur((0.0, 0.0), p=1.0),
        LowResolution((1.0, 1.0), p=1.0),
        ChannelDrop(0.0, p=1.0),
        Erase((0.0, 0.0), p=1.0),
    ]


def name(op: ViewOp) -> str:
    return type(op).__name__


def seeded(seed: int) -> Generator:
    return torch.Generator().manual_seed(seed)


def smooth_field(batch: int, channels: int, *shape: int, seed: int = 0) -> Tensor:
    """Standardised, both signs, no detail finer than a few pixels: white noise would blame a correct blur."""
    coarse = torch.randn(batch, channels, *(4 for _ in shape), generator=seeded(seed))
    field = F.interpolate(coarse, shape, mode="bilinear" if len(shape) == 2 else "trilinear", align_corners=True)
    flat = field.flatten(2)
    return ((flat - flat.mean(2, keepdim=True)) / flat.std(2, keepdim=True)).view_as(field)
