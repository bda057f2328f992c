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
    told = x[:, sorted(set(positions))]
    if measured is None:
        ends = _ends(told.flatten(1))
    else:
        ends = torch.cat([_ends(image[:, known].reshape(1, -1)) for image, known in zip(told, measured | ~_any(measured), strict=True)])
    low, high = ends.T.view(2, -1, *(1,) * (picture.ndim - 1))
    return (picture - low) / (high - low).clamp(min=1e-6)


def preview(
    physical: Tensor,
    channels: Sequence[str],
    spacing: Sequence[float] | None,
    window: tuple[float, float] | None,
    measured: Tensor | None = None,
    at: Sequence[int] | None = None,
) -> np.ndarray:
    """(C, *spatial) physical to (H, W, 3) uint8: a picture as it is; of a volume three planes in true proportions, through the voxel `at`
    or its middle.
    """
    positions = rgb_positions(channels) or (0, 0, 0)
    picture = physical[list(positions)].float()
    known = picture.flatten() if measured is None or not measured.any() else picture[:, measured].flatten()
    low, high = window or _ends(known[None])[0].tolist()
    shown = ((picture - low) / max(high - low, 1e-6)).clamp(0, 1)
    if measured is not None:
        shown = shown * measured
    if shown.ndim == 4:
        shown = planes(shown, spacing, at)
    return (shown * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()


def _ends(values: Tensor) -> Tensor:
    """(B, n) to (B, 2): the values shown as black and white. As `torch.quantile`, for any number of values, and in graphs too."""
    values, most = values.float(), values.shape[1] - 1
    place = torch.tensor(ENDS, dtype=torch.float64, device=values.device) * most
    below = place.long()
    above = (below + 1).clamp(max=most)
    return torch.lerp(_at(values, below), _at(values, above), (place - below).float())


def _at(values: Tensor, places: Tensor) -> Tensor:
    """(B, n) to (B, k): what stands at these places in the order of size. A graph sorts all; outside one that would take long."""
    if torch.compiler.is_compiling() or torch.jit.is_tracing():
        return values.sort(dim=1).values[:, places]
    return torch.stack([values.kthvalue(place + 1, dim=1).values for place in places.tolist()], dim=1)


def _any(measured: Tensor) -> Tensor:
    """(B, *spatial) to (B, 1, ...): whether anything of an image was measured."""
    return measured.flatten(1).any(1).view(-1, *(1,) * (measured.ndim - 1))


def planes(volume: Tensor, spacing: Sequence[float] | None, at: Sequence[int] | None = None, beside: float = 0.0) -> Tensor:
    """(C, right, anterior, superior) to (C, H, W): its planes through the voxel `at`, or its middle, as viewers show them, pixels as large
    as the smallest spacing; `beside` what fills the corners.
    """
    steps = spacing or (1.0, 1.0, 1.0)
    least, place = min(steps), at or [length // 2 for length in volume.shape[1:]]
    shown = []
    for across, down, along in ((2, 1, 0), (1, 2, 0), (0, 2, 1)):  # axial, coronal, sagittal; front or head up, the right on the left
        plane = volume.select(across + 1, place[across]).transpose(1, 2).flip(1, 2)
        size = [max(1, round(volume.shape[axis + 1] * steps[axis] / least)) for axis in (down, along)]
        shown.append(torch.nn.functional.interpolate(plane[None], size=size, mode="nearest")[0])
    height = max(plane.shape[1] for plane in shown)
    return torch.cat([torch.nn.functional.pad(plane, (0, 0, 0, height - plane.shape[1]), value=beside) for plane in shown], dim=2)
