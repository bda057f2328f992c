"""What optics and motion take away: blurs and coarser pixels. Weights sum to 1, so units pass through; floating point, nothing clamped."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from labelfree.device_copies import beside
from labelfree.views.base import Range, ViewOp, factors, floating, on_chosen, sometimes, uniform

NOTHING = 1e-20  # a weight that changes no sum of float32; smaller ones make a processor fifty times as slow


class Blur(ViewOp):
    """Gaussian blur, its standard deviation in pixels uniform in `sigma`: focus and atmosphere. Edges use what lies inside the image.

    `spacing`: extent of a pixel along each axis; where they differ, `sigma` counts the smallest, so that the blur is as wide along each.
    """

    def __init__(self, sigma: Range = (0.3, 1.5), p: float = 0.3, spacing: Sequence[float] | None = None) -> None:
        super().__init__()
        self.sigma = sigma
        self.p = p
        self.shares = None if spacing is None else tuple(min(spacing) / each for each in spacing)

    def draw(self, n: int, generator: Generator) -> Tensor:
        """(n,) standard deviations, 0 where not applied."""
        return sometimes(n, self.sigma, self.p, generator)

    def apply(self, x: Tensor, params: Tensor) -> Tensor:  # type: ignore[override]
        shares = self.shares or (1.0,) * (x.ndim - 2)

        def blurred(part: Tensor, rows: Tensor) -> Tensor:
            sigma = beside(params[rows], part)
            for share in dict.fromkeys(shares):
                axes = [axis for axis, each in enumerate(shares, start=2) if each == share]
                part = along(part, axes, partial(gaussian, share * sigma))
            return part

        return on_chosen(floating(x, self), params > 0, blurred)


class LowResolution(ViewOp):
    """Coarser pixels, as from a higher orbit: averaged down by a factor log-uniform in `factor`, then interpolated up again.

    `axes`: of these, counted from the end, one is drawn for each sample, as slices are thicker than their pixels; None: along all.
    """

    def __init__(self, factor: Range = (1.0, 2.0), p: float = 0.3, axes: Sequence[int] | None = None) -> None:
        super().__init__()
        self.factor = factor
        self.p = p
        self.axes = None if axes is None else tuple(axes)

    def draw(self, n: int, generator: Generator) -> Tensor:
        """(n,) factors, 1 where not applied; of one axis (n, axes), 1 along the others."""
        every = factors(n, self.factor, self.p, generator)
        if self.axes is None:
            return every
        chosen = torch.randint(len(self.axes), (n, 1), generator=generator) == torch.arange(len(self.axes))
        return torch.where(chosen, every[:, None], 1.0)

    def apply(self, x: Tensor, params: Tensor) -> Tensor:  # type: ignore[override]
        x = floating(x, self)
        if self.axes is None:
            return _coarsened(x, params, range(2, x.ndim))
        for axis, factor in zip(self.axes, params.unbind(1), strict=True):
            x = _coarsened(x, factor, [x.ndim + axis])
        return x


class Defocus(ViewOp):
    """A lens out of focus: each point becomes a disc, its radius in pixels uniform in `radius`. Volumes are blurred slice by slice."""

    def __init__(self, radius: Range = (0.5, 3.0), p: float = 0.3) -> None:
        super().__init__()
        self.radius = radius
        self.p = p

    def draw(self, n: int, generator: Generator) -> Tensor:
        """(n,) radii, 0 where not applied."""
        return sometimes(n, self.radius, self.p, generator)

    def apply(self, x: Tensor, params: Tensor) -> Tensor:  # type: ignore[override]
        return on_chosen(floating(x, self), params > 0, lambda part, rows: in_plane(part, disc(params[rows])))


@dataclass(frozen=True)
class MotionDraw:
    """`length`: (n,) of the path in pixels, 0 where not applied. `angle`: (n,) in radians from the x axis towards the y axis."""

    length: Tensor
    angle: Tensor


class MotionBlur(ViewOp):
    """The object, or the camera, moved while the shutter was open: a straight path of `length` pixels in any direction.

    Volumes are blurred slice by slice.
    """

    def __init__(self, length: Range = (2.0, 7.0), p: float = 0.3) -> None:
        super().__init__()
        self.length = length
        self.p = p

    def draw(self, n: int, generator: Generator) -> MotionDraw:
        length = sometimes(n, self.length, self.p, generator)
        return MotionDraw(length, uniform(n, (0.0, math.pi), generator))

    def apply(self, x: Tensor, params: MotionDraw) -> Tensor:  # type: ignore[override]
        def moved(part: Tensor, rows: Tensor) -> Tensor:
            return in_plane(part, path(params.length[rows], params.angle[rows]))

        return on_chosen(floating(x, self), params.length > 0, moved)


def along(x: Tensor, axes: Sequence[int], weights: Callable[[int], Tensor]) -> Tensor:
    """Some axes of (B, C, *spatial) times `weights(size)`, (B, size, size), rows summing to 1: a separable linear filter."""
    made: dict[int, Tensor] = {}
    for axis in axes:
        size = x.shape[axis]
        if size not in made:
            made[size] = weights(size).to(x)
        moved = x.movedim(axis, -1)
        filtered = torch.bmm(moved.reshape(len(x), -1, size), made[size].transpose(1, 2))
        x = filtered.view(moved.shape).movedim(-1, axis)
    return x.contiguous()


def _coarsened(x: Tensor, factor: Tensor, axes: Sequence[int]) -> Tensor:
    """The batch with pixels `factor` (B,) times as long along some axes; those of factor 1 as they are."""
    return on_chosen(x, factor > 1, lambda part, rows: along(part, axes, partial(down_and_up, beside(factor[rows], part))))


def gaussian(sigma: Tensor, size: int) -> Tensor:
    """(B, size, size) weights of a Gaussian blur, renormalised at the edges."""
    at = torch.arange(size, device=sigma.device, dtype=torch.float32)
    weights = torch.exp(-0.5 * ((at[:, None] - at) / sigma[:, None, None]) ** 2)
    return _normalised(torch.where(weights < NOTHING, 0.0, weights))


def down_and_up(factor: Tensor, size: int) -> Tensor:
    """(B, size, size) weights: means over cells of `factor` pixels, then linear interpolation between the cells' centres."""
    width = factor[:, None, None].clamp(max=size)
    cells = torch.ceil(size / width)  # the last one may be cut by the edge
    index = torch.arange(size, device=factor.device, dtype=torch.float32)
    centre = (index[:, None] + 0.5) * width  # (B, cell, 1)
    pixel = index + 0.5
    overlap = (0.5 * (width + 1) - (pixel - centre).abs()).clamp(min=0).minimum(width.clamp(max=1))
    real = (index[:, None] < cells).float()
    up = (1 - (pixel[:, None] - centre.transpose(1, 2)).abs() / width).clamp(min=0) * real.transpose(1, 2)
    return _normalised(up) @ _normalised(overlap * real)


def in_plane(x: Tensor, kernels: Tensor) -> Tensor:
    """(B, C, *spatial) correlated over its last two axes with each sample's kernel (B, k, k), k odd; edge pixels go on outside."""
    planes = x.flatten(1, -3)  # (B, channels and slices, H, W)
    n, depth = planes.shape[:2]
    side = kernels.shape[-1]
    padded = F.pad(planes.float(), (side // 2,) * 4, mode="replicate").flatten(0, 1)[None]
    weight = beside(kernels, x).float()[:, None].expand(-1, depth, -1, -1).reshape(n * depth, 1, side, side)
    return F.conv2d(padded, weight, groups=n * depth)[0].view_as(x).to(x.dtype)


def disc(radius: Tensor) -> Tensor:
    """(B, k, k) kernels of discs whose edge pixels count by about how much of them is inside."""
    y, x = _offsets(float(radius.max()))
    inside = (radius[:, None, None] + 0.5 - torch.hypot(x, y)).clamp(0, 1)
    return inside / inside.sum((1, 2), keepdim=True)


def path(length: Tensor, angle: Tensor) -> Tensor:
    """(B, k, k) kernels of straight paths one pixel wide."""
    y, x = _offsets(float(length.max()) / 2)
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    along, across = (x * cos + y * sin).abs(), (y * cos - x * sin).abs()
    inside = ((length[:, None, None] + 1) / 2 - along).clamp(0, 1) * (1 - across).clamp(min=0)
    return inside / inside.sum((1, 2), keepdim=True)


def _offsets(reach: float) -> tuple[Tensor, Tensor]:
    """Pixels around a centre, up to `reach` and one more: down (k, 1) and across (1, k)."""
    half = math.ceil(reach + 0.5)
    at = torch.arange(-half, half + 1, dtype=torch.float32)
    return at[:, None], at[None]


def _normalised(weights: Tensor) -> Tensor:
    return weights / weights.sum(-1, keepdim=True).clamp(min=1e-12)
