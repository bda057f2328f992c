"""Pictures of images: three planes of a volume, films from dark to bright; for people, and for networks that read photographs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from labelfree_medical.colours import rgb_positions
from labelfree_medical.settings import BYTES

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

ENDS = (0.01, 0.99)  # of an image's values that are shown as black and as white
MOST = 1_000_000  # values from which percentiles are taken


def render(
    x: Tensor, channels: Sequence[str], unit: str, window: tuple[float, float] | None, measured: Tensor | None = None
) -> Tensor | None:
    """Physical (B, C, *spatial) as RGB (B, 3, *spatial), nominally 0 to 1 and not clamped; None of several channels that are no colours.

    8-bit pictures as they are; else `window`, or each image from its 1st to its 99th percentile of `measured` pixels (B, *spatial).
    """
    positions = rgb_positions(channels) or ((0, 0, 0) if len(channels) == 1 else None)
    if positions is None:
        return None
    picture = x[:, list(positions)]
    if unit == BYTES:
        return picture / 255
    if window is not None:
        return (picture - window[0]) / (window[1] - window[0])
    ends = torch.stack([_ends(image, None if measured is None else measured[at]) for at, image in enumerate(picture)])
    low, high = ends.T.view(2, -1, *(1,) * (picture.ndim - 1))
    return (picture - low) / (high - low).clamp(min=1e-6)


def preview(
    physical: Tensor,
    channels: Sequence[str],
    spacing: Sequence[float] | None,
    window: tuple[float, float] | None,
    measured: Tensor | None = None,
) -> np.ndarray:
    """(C, *spatial) physical to (H, W, 3) uint8: a picture as it is; of a volume its three middle planes, in true proportions."""
    positions = rgb_positions(channels) or (0, 0, 0)
    picture = physical[list(positions)].float()
    low, high = window or _ends(picture, measured).tolist()
    shown = ((picture - low) / max(high - low, 1e-6)).clamp(0, 1)
    if measured is not None:
        shown = shown * measured
    if shown.ndim == 4:
        shown = _planes(shown, spacing or (1.0, 1.0, 1.0))
    return (shown * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()


def _ends(picture: Tensor, measured: Tensor | None) -> Tensor:
    """(2,) the values shown as black and white."""
    known = picture[:, measured].flatten() if measured is not None and measured.any() else picture.flatten()
    return torch.quantile(known[:: max(1, known.numel() // MOST)].float(), torch.tensor(ENDS))


def _planes(volume: Tensor, spacing: Sequence[float]) -> Tensor:
    """(3, right, anterior, superior) to (3, H, W): its middle planes as viewers show them, pixels as large as the smallest spacing."""
    least = min(spacing)
    planes = []
    for across, down, along in ((2, 1, 0), (1, 2, 0), (0, 2, 1)):  # axial, coronal, sagittal; front or head up, the right on the left
        plane = volume.select(across + 1, volume.shape[across + 1] // 2).transpose(1, 2).flip(1, 2)
        size = [max(1, round(volume.shape[axis + 1] * spacing[axis] / least)) for axis in (down, along)]
        planes.append(torch.nn.functional.interpolate(plane[None], size=size, mode="nearest")[0])
    height = max(plane.shape[1] for plane in planes)
    return torch.cat([torch.nn.functional.pad(plane, (0, 0, 0, height - plane.shape[1])) for plane in planes], dim=2)
