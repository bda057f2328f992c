"""How a sensor would have seen it: gain, offset, gamma, noise. Floating point in and out, nothing clamped."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from labelfree.views.base import (
    Range,
    ViewOp,
    bernoulli,
    draw_seed,
    factors,
    floating,
    on_chosen,
    per_channel,
    per_sample,
    seeded,
    sometimes,
    uniform,
)


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
        return sometimes(n, (-self.strength, self.strength), self.p, generator, device).exp()

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
        return floating(x, self) * per_channel(1 + params.strength[:, None] * one_a_channel(x, params.seed), x)


class SharedOffset(ViewOp):
    """The same amount added to all channels, uniform within ±strength in the batch's unit: a dark current, a veil of stray light."""

    def __init__(self, strength: float = 0.02, p: float = 1.0) -> None:
        super().__init__()
        self.strength = strength
        self.p = p

    def draw(self, n: int, generator: Generator, device: torch.device | str = "cpu") -> Tensor:
        """(n,) amounts, 0 where not applied."""
        return sometimes(n, (-self.strength, self.strength), self.p, generator, device)

    def apply(self, x: Tensor, params: Tensor) -> Tensor:  # type: ignore[override]
        return floating(x, self) + per_sample(params, x)


class ChannelOffset(ViewOp):
    """To each channel its own amount, uniform within ±strength in the batch's unit: black levels that differ between detectors."""

    def __init__(self, strength: float = 0.01, p: float = 1.0) -> None:
        super().__init__()
        self.strength = strength
        self.p = p

    def draw(self, n: int, generator: Generator, device: torch.device | str = "cpu") -> SeededDraw:
        return SeededDraw(self.strength * bernoulli(n, self.p, generator, device), draw_seed(generator))

    def apply(self, x: Tensor, params: SeededDraw) -> Tensor:  # type: ignore[override]
        return floating(x, self) + per_channel(params.strength[:, None] * one_a_channel(x, params.seed), x)


class Contrast(ViewOp):
    """Each channel's distance from its mean times one factor a sample, uniform within 1 ± strength; the means stay."""

    def __init__(self, strength: float = 0.2, p: float = 0.5) -> None:
        super().__init__()
        self.strength = strength
        self.p = p

    def draw(self, n: int, generator: Generator, device: torch.device | str = "cpu") -> Tensor:
        """(n,) factors, 1 where not applied."""
        return 1 + sometimes(n, (-self.strength, self.strength), self.p, generator, device)

    def apply(self, x: Tensor, params: Tensor) -> Tensor:  # type: ignore[override]
        return floating(x, self).lerp(x.flatten(2).mean(2).view(*x.shape[:2], *(1,) * (x.ndim - 2)).expand_as(x), per_sample(1 - params, x))


class Gamma(ViewOp):
    """A power of each channel between its smallest and largest value, log-uniform in `gamma`; mean and standard deviation are put back.

    Brightness curves of scanners and cameras differ so; retained statistics keep the view in its range (nnU-Net, Isensee et al. 2021).
    """

    def __init__(self, gamma: Range = (0.7, 1.5), p: float = 0.3) -> None:
        super().__init__()
        self.gamma = gamma
        self.p = p

    def draw(self, n: int, generator: Generator, device: torch.device | str = "cpu") -> Tensor:
        """(n,) exponents, 1 where not applied."""
        return factors(n, self.gamma, self.p, generator, device)

    def apply(self, x: Tensor, params: Tensor) -> Tensor:  # type: ignore[override]
        def bent(part: Tensor, rows: Tensor) -> Tensor:
            flat = part.flatten(2).float()
            low, high = flat.aminmax(dim=2, keepdim=True)
            spread = (high - low).clamp(min=torch.finfo(torch.float32).tiny)
            powered = ((flat - low) / spread) ** per_sample(params[rows], flat)
            deviation, mean = torch.std_mean(powered, dim=2, keepdim=True)
            before, centre = torch.std_mean(flat, dim=2, keepdim=True)
            scale = torch.where(deviation > 0, before / deviation.clamp(min=torch.finfo(torch.float32).tiny), 0.0)
            return (centre + (powered - mean) * scale).view_as(part).to(part.dtype)

        return on_chosen(floating(x, self), params != 1, bent)


class Noise(ViewOp):
    """Independent Gaussian noise in every pixel and channel; its standard deviation, in the batch's unit, is uniform in `sigma`."""

    def __init__(self, sigma: Range = (0.0, 0.01), p: float = 0.5) -> None:
        super().__init__()
        self.sigma = sigma
        self.p = p

    def draw(self, n: int, generator: Generator, device: torch.device | str = "cpu") -> SeededDraw:
        return SeededDraw(sometimes(n, self.sigma, self.p, generator, device), draw_seed(generator))

    def apply(self, x: Tensor, params: SeededDraw) -> Tensor:  # type: ignore[override]
        generator = seeded(params.seed, x.device)

        def noisy(part: Tensor, rows: Tensor) -> Tensor:
            noise = torch.randn(part.shape, generator=generator, device=part.device).to(part)
            return torch.addcmul(part, noise, per_sample(params.strength[rows], part))

        return on_chosen(floating(x, self), params.strength > 0, noisy)


def one_a_channel(x: Tensor, seed: int) -> Tensor:
    """(B, C) uniform within ±1."""
    return uniform(x.shape[0] * x.shape[1], (-1.0, 1.0), seeded(seed, "cpu"), x.device).view(x.shape[:2])
