"""How a sensor would have seen it: gain, noise, blur, lower resolution. Floating point in and out, nothing clamped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from labelfree.views.base import Range, ViewOp, bernoulli, draw_seed, floating, on_chosen, per_channel, per_sample, seeded, uniform


@dataclass(frozen=True)
class SeededDraw:
    """A strength for each sample, (n,), 0 where the op is not applied, and the seed of what depends on the image's shape."""

    strength: Tensor
    seed: int


class SharedGain(ViewOp):
    """All channels times one factor, log-uniform within exp(±strength): illumination. Ratios of bands, such as NDVI, stay."""

    def __init__(self, strength: float = 0.2, p: float = 1.0) -> None:
        super().__init__()
        self.strength = strength
        self.p = p

    def draw(self, n: int, generator: Generator, device: torch.device | str = "cpu") -> Tensor:
        """(n,) factors, 1 where not applied."""
        log_gain = uniform(n, (-self.strength, self.strength), generator, device)
        return (log_gain * bernoulli(n, self.p, generator, device)).exp()

    def apply(self, x: Tensor, params: Tensor) -> Tensor:  # type: ignore[override]
        return floating(x, self) * per_sample(params, x)


class ChannelGain(ViewOp):
    """Each channel times its own factor within 1 ± strength: calibration that differs between bands and scenes."""

    def __init__(self, strength: float = 0.05, p: float = 1.0) -> None:
        super().__init__()
        self.strength = strength
        self.p = p

    def draw(self, n: int, generator: Generator, device: torch.device | str = "cpu") -> SeededDraw:
        return SeededDraw(self.strength * bernoulli(n, self.p, generator, device), draw_seed(generator))

    def apply(self, x: Tensor, params: SeededDraw) -> Tensor:  # type: ignore[override]
        unit = uniform(x.shape[0] * x.shape[1], (-1.0, 1.0), seeded(params.seed, "cpu"), x.device).view(x.shape[:2])
        return floating(x, self) * per_channel(1 + params.strength[:, None] * unit, x)


class Noise(ViewOp):
    """Independent Gaussian noise in every pixel and channel; its standard deviation, in the batch's unit, is uniform in `sigma`."""

    def __init__(self, sigma: Range = (0.0, 0.01), p: float = 0.5) -> None:
        super().__init__()
        self.sigma = sigma
        self.p = p

    def draw(self, n: int, generator: Generator, device: torch.device | str = "cpu") -> SeededDraw:
        return SeededDraw(uniform(n, self.sigma, generator, device) * bernoulli(n, self.p, generator, device), draw_seed(generator))

    def apply(self, x: Tensor, params: SeededDraw) -> Tensor:  # type: ignore[override]
        generator = seeded(params.seed, x.device)

        def noisy(part: Tensor, rows: Tensor) -> Tensor:
            noise = torch.randn(part.shape, generator=generator, device=part.device).to(part)
            return torch.addcmul(part, noise, per_sample(params.strength[rows], part))

        return on_chosen(floating(x, self), params.strength > 0, noisy)


class Blur(ViewOp):
    """Gaussian blur, its standard deviation in pixels uniform in `sigma`: focus and atmosphere. Edges use what lies inside the image."""

    def __init__(self, sigma: Range = (0.3, 1.5), p: float = 0.3) -> None:
        super().__init__()
        self.sigma = sigma
        self.p = p

    def draw(self, n: int, generator: Generator, device: torch.device | str = "cpu") -> Tensor:
        """(n,) standard deviations, 0 where not applied."""
        return uniform(n, self.sigma, generator, device) * bernoulli(n, self.p, generator, device)

    def apply(self, x: Tensor, params: Tensor) -> Tensor:  # type: ignore[override]
        return on_chosen(floating(x, self), params > 0, lambda part, rows: along_axes(part, lambda size: gaussian(params[rows], size)))


class LowResolution(ViewOp):
    """Coarser pixels, as from a higher orbit: averaged down by a factor log-uniform in `factor`, then interpolated up again."""

    def __init__(self, factor: Range = (1.0, 2.0), p: float = 0.3) -> None:
        super().__init__()
        self.factor = factor
        self.p = p

    def draw(self, n: int, generator: Generator, device: torch.device | str = "cpu") -> Tensor:
        """(n,) factors, 1 where not applied."""
        low, high = torch.tensor(self.factor).log().tolist()
        return (uniform(n, (low, high), generator, device) * bernoulli(n, self.p, generator, device)).exp()

    def apply(self, x: Tensor, params: Tensor) -> Tensor:  # type: ignore[override]
        return on_chosen(floating(x, self), params > 1, lambda part, rows: along_axes(part, lambda size: down_and_up(params[rows], size)))


def along_axes(x: Tensor, weights: Callable[[int], Tensor]) -> Tensor:
    """Each spatial axis of (B, C, *spatial) times `weights(size)`, (B, size, size), rows summing to 1: a separable linear filter."""
    made: dict[int, Tensor] = {}
    for axis in range(2, x.ndim):
        size = x.shape[axis]
        if size not in made:
            made[size] = weights(size).to(x)
        moved = x.movedim(axis, -1)
        filtered = torch.bmm(moved.reshape(len(x), -1, size), made[size].transpose(1, 2))
        x = filtered.view(moved.shape).movedim(-1, axis)
    return x.contiguous()


def gaussian(sigma: Tensor, size: int) -> Tensor:
    """(B, size, size) weights of a Gaussian blur, renormalised at the edges."""
    at = torch.arange(size, device=sigma.device, dtype=torch.float32)
    return _normalised(torch.exp(-0.5 * ((at[:, None] - at) / sigma[:, None, None]) ** 2))


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


def _normalised(weights: Tensor) -> Tensor:
    return weights / weights.sum(-1, keepdim=True).clamp(min=1e-12)
