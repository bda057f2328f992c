"""Pictures for ImageNet's networks and for people: gray is three equal colours, levels are shown on the scale of their depth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from labelfree_inspection.colours import rgb_positions
from labelfree_inspection.settings import BYTES, LEVELS

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

LOW, HIGH = 0.01, 0.99  # shares of the pixels between which a height map, or levels of unknown depth, are stretched
MOST_PIXELS = 2**20  # of an image that percentiles are taken of


def render(x: Tensor, channels: Sequence[str], unit: str, white: float | None, measured: Tensor | None = None) -> Tensor | None:
    """Physical (B, C, H, W) as RGB (B, 3, H, W), nominally 0 to 1 and not clamped; None where red, green and blue are not known.

    `white`: the number of `LEVELS` that is shown white; None: each image between its own percentiles, as height maps are, of pixels that
    are `measured` (B, H, W).
    """
    at = rgb_positions(channels)
    if at is None:
        return None
    picture = x[:, list(at)]
    top = 255.0 if unit == BYTES else white if unit == LEVELS else None
    return picture / top if top else _stretched(picture, measured)


def preview(physical: Tensor, channels: Sequence[str], unit: str, measured: Tensor | None = None) -> np.ndarray:
    """(C, H, W) as (H, W, 3) uint8: 8 bits as they are, others between percentiles; what is not measured is black.

    Other channels than gray and colours are shown by their mean.
    """
    import torch

    at = rgb_positions(channels)
    picture = physical[list(at)] if at else physical.mean(0, keepdim=True).expand(3, -1, -1)
    known = None if measured is None else measured[None]
    shown = picture / 255 if unit == BYTES else _stretched(picture[None], known)[0]
    shown = shown if measured is None else shown * measured
    return (shown.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()


def _stretched(picture: Tensor, measured: Tensor | None) -> Tensor:
    """(B, 3, H, W) from its low to its high percentile as 0 to 1, the same for the three colours, so that hues stay."""
    import torch

    ends = []
    for number, image in enumerate(picture):
        there = None if measured is None or not measured[number].any() else measured[number]
        values = (image if there is None else image[:, there]).flatten()
        values = values[:: math.ceil(len(values) / MOST_PIXELS)].sort().values
        ends.append(torch.stack([values[round(share * (len(values) - 1))] for share in (LOW, HIGH)]))
    low, high = torch.stack(ends).to(picture).T[..., None, None, None]
    return (picture - low) / torch.where(high > low, high - low, 1.0)
