"""Pictures of reflectance: RGB for ImageNet networks, and previews for people."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

WHITE = 0.3  # reflectance shown as white, as in ESA's true-colour images: land is seldom brighter, clouds and snow are


def render(
    x: Tensor, channels: Sequence[str], rgb: tuple[int, int, int] | None, unit: str, measured: Tensor | None = None
) -> Tensor | None:
    """Physical (B, C, H, W) as RGB (B, 3, H, W), nominally 0 to 1 and not clamped; None where red, green and blue are not known.

    Reflectance is divided by 0.3; numbers in an unknown unit by each image's own 98th percentile, one for the three colours, of the pixels
    that are `measured` (B, H, W), None: all.
    """
    if rgb is None:
        if tuple(channels) != ("gray",):
            return None
        rgb = (0, 0, 0)
    picture = x[:, list(rgb)]
    if unit == "display":
        return picture
    if unit == "reflectance":
        return picture / WHITE
    numbers = picture.flatten(1)
    if measured is None:
        top = numbers.kthvalue(math.ceil(0.98 * numbers.shape[1])).values  # torch.quantile refuses large batches
    else:
        mask_rows = measured[:, None].expand_as(picture).flatten(1)
        known = [row[mask] if mask.any() else row for row, mask in zip(numbers, mask_rows, strict=True)]
        top = torch.stack([row.kthvalue(math.ceil(0.98 * len(row))).values for row in known])
    return picture / torch.where(top > 0, top, 1.0).view(-1, 1, 1, 1)


def preview(physical: Tensor, rgb: tuple[int, int, int] | None, measured: Tensor | None = None) -> np.ndarray:
    """(C, H, W) physical to (H, W, 3) uint8: stretched from the 2nd to the 98th percentile, the same for all colours so that hues stay.

    Percentiles are those of `measured` pixels (H, W); the others are shown black.

    Without named colours the mean of the bands is shown in gray.
    """
    picture = physical[list(rgb)] if rgb else _gray(physical).expand(3, -1, -1)
    known = picture.flatten() if measured is None or not measured.any() else picture[:, measured].flatten()
    low, high = torch.quantile(known[:: max(1, known.numel() // 1_000_000)], torch.tensor([0.02, 0.98])).tolist()
    shown = (picture - low) / max(high - low, 1e-12)
    shown = shown if measured is None else shown * measured
    return (shown.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()


def _gray(physical: Tensor) -> Tensor:
    """Bands may have any scale: each counts alike."""
    spread = physical.flatten(1).std(1).clamp(min=1e-12).view(-1, 1, 1)
    return (physical / spread).mean(0, keepdim=True)


def two_sided(values: Tensor) -> np.ndarray:
    """(H, W) from -1 to 1 as (H, W, 3) uint8: brown, white at 0, green."""
    low, middle, high = (torch.tensor(colour, dtype=torch.float32) for colour in ((140, 81, 10), (245, 245, 245), (1, 102, 94)))
    share = values.clamp(-1, 1)[..., None]
    shown = torch.where(share < 0, middle + share.abs() * (low - middle), middle + share * (high - middle))
    return shown.round().to(torch.uint8).numpy()
