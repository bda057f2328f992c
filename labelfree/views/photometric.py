"""How another exposure would have seen it: gain, offset, gamma, noise. Floating point in and out, nothing clamped."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from labelfree.device_copies import beside
from labelfree.views.base import (
    Range,
    ViewOp,
    bernoulli,
    draw_seed,
    factors,
    floating,
    moments,
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
    """All channels times one factor, log-uniform within exp(±strength): illumination. Ratios of channels stay."""

    def __init__(self, strength: float = 0.2, p: float = 1.0) -> None:
        super().__init__()
        self.strength = strength
        self.p = p

    def draw(self, n: int, generator: Generator) -> Tensor:
        """(n,) factors, 1 where not applied."""
        return sometimes(n, (-self.strength, self.strength), self.p, generator).exp()

    def apply(self, x: Tensor, params: Tensor) -> Tensor:  # type: ignore[override]
        return floating(x, self) * per_sample(params, x)


class ChannelGain(ViewOp):
    """Each channel times its own factor within 1 ± strength: calibration that differs between channels and images."""

    def __init__(self, strength: float = 0.05, p: float = 1.0) -> None:
        super().__init__()
        self.strength = strength
        self.p = p

    def draw(self, n: int, generator: Generator) -> SeededDraw:
        return SeededDraw(self.strength * bernoulli(n, self.p, generator), draw_seed(generator))

    def apply(self, x: Tensor, params: SeededDraw) -> Tensor:  # type: ignore[override]
        return floating(x, self) * per_channel(1 + params.strength[:, None] * one_a_channel(x, params.seed), x)


class SharedOffset(ViewOp):
    """The same amount added to all channels, uniform within ±strength in the batch's unit: a dark current, a veil of stray light."""

    def __init__(self, strength: float = 0.02, p: float = 1.0) -> None:
        super().__init__()
        self.strength = strength
        self.p = p

    def draw(self, n: int, generator: Generator) -> Tensor:
        """(n,) amounts, 0 where not applied."""
        return sometimes(n, (-self.strength, self.strength), self.p, generator)

    def apply(self, x: Tensor, params: Tensor) -> Tensor:  # type: ignore[override]
        return floating(x, self) + per_sample(params, x)


class ChannelOffset(ViewOp):
    """To each channel its own amount, uniform within ±strength in the batch's unit: black levels that differ between detectors."""

    def __init__(self, strength: float = 0.01, p: float = 1.0) -> None:
        super().__init__()
        self.strength = strength
        self.p = p

    def draw(self, n: int, generator: Generator) -> SeededDraw:
        return SeededDraw(self.strength * bernoulli(n, self.p, generator), draw_seed(generator))

    def apply(self, x: Tensor, params: SeededDraw) -> Tensor:  # type: ignore[override]
        return floating(x, self) + per_channel(params.strength[:, None] * one_a_channel(x, params.seed), x)


class Contrast(ViewOp):
    """Each channel's distance from its mean times one factor a sample, uniform within 1 ± strength; the means stay."""

    def __init__(self, strength: float = 0.2, p: float = 0.5) -> None:
        super().__init__()
        self.strength = strength
        self.p = p

    def draw(self, n: int, generator: Generator) -> Tensor:
        """(n,) factors, 1 where not applied."""
        return 1 + sometimes(n, (-self.strength, self.strength), self.p, generator)

    def apply(self, x: Tensor, params: Tensor) -> Tensor:  # type: ignore[override]
        return self._around(floating(x, self).flatten(2).mean(2), x, params)

    def apply_measured(self, x: Tensor, params: Tensor, measured: Tensor) -> Tensor:
        return self._around(moments(floating(x, self).flatten(2), measured)[0][..., 0], x, params)

    def _around(self, mean: Tensor, x: Tensor, params: Tensor) -> Tensor:
        return x.lerp(mean.view(*x.shape[:2], *(1,) * (x.ndim - 2)).expand_as(x), per_sample(1 - params, x))


class Gamma(ViewOp):
    """A power of each channel between its smallest and largest value, log-uniform in `gamma`; mean and standard deviation are put back.

    Brightness curves of scanners and cameras differ so; retained statistics keep the view in its range (nnU-Net, Isensee et al. 2021).
    """

    def __init__(self, gamma: Range = (0.7, 1.5), p: float = 0.3) -> None:
        super().__init__()
        self.gamma = gamma
        self.p = p

    def draw(self, n: int, generator: Generator) -> Tensor:
        """(n,) exponents, 1 where not applied."""
        return factors(n, self.gamma, self.p, generator)

    def apply(self, x: Tensor, params: Tensor) -> Tensor:  # type: ignore[override]
        return self._bent(x, params, None)

    def apply_measured(self, x: Tensor, params: Tensor, measured: Tensor) -> Tensor:
        return self._bent(x, params, measured)

    def _bent(self, x: Tensor, params: Tensor, measured: Tensor | None) -> Tensor:
        def bent(part: Tensor, rows: Tensor) -> Tensor:
            flat, known = part.flatten(2).float(), None if measured is None else measured[beside(rows, measured)]
            low, high = _ends(flat, known)
            spread = (high - low).clamp(min=torch.finfo(torch.float32).tiny)
            powered = ((flat - low) / spread).clamp(min=0) ** per_sample(params[rows], flat)
            mean, deviation = moments(powered, known)
            centre, before = moments(flat, known)
            scale = torch.where(deviation > 0, before / deviation.clamp(min=torch.finfo(torch.float32).tiny), 0.0)
            return (centre + (powered - mean) * scale).view_as(part).to(part.dtype)

        return on_chosen(floating(x, self), params != 1, bent)


class Noise(ViewOp):
    """Independent Gaussian noise in every pixel and channel; its standard deviation, in the batch's unit, is uniform in `sigma`.

    It draws on the device, from a seed of the host, as `SensorNoise` does: so many numbers would take longer to copy.
    """

    def __init__(self, sigma: Range = (0.0, 0.01), p: float = 0.5) -> None:
        super().__init__()
        self.sigma = sigma
        self.p = p

    def draw(self, n: int, generator: Generator) -> SeededDraw:
        return SeededDraw(sometimes(n, self.sigma, self.p, generator), draw_seed(generator))

    def apply(self, x: Tensor, params: SeededDraw) -> Tensor:  # type: ignore[override]
        generator = seeded(params.seed, x.device)

        def noisy(part: Tensor, rows: Tensor) -> Tensor:
            noise = torch.randn(part.shape, generator=generator, device=part.device).to(part)
            return torch.addcmul(part, noise, per_sample(params.strength[rows], part))

        return on_chosen(floating(x, self), params.strength > 0, noisy)


@dataclass(frozen=True)
class GrainDraw:
    """`shot`: (n,) variance a unit of light, `read`: (n,) standard deviation in the dark, both 0 where not applied. `seed`: of pixels."""

    shot: Tensor
    read: Tensor
    seed: int


class SensorNoise(ViewOp):
    """Shot and read noise of a sensor: a pixel's variance is `shot` times its light, plus `read` squared, in the batch's unit.

    `shot` is what one electron counts for. Numbers are taken to be 0 without light; below that there is read noise alone.
    """

    def __init__(self, shot: Range = (0.0, 0.001), read: Range = (0.0, 0.005), p: float = 0.5) -> None:
        super().__init__()
        self.shot = shot
        self.read = read
        self.p = p

    def draw(self, n: int, generator: Generator) -> GrainDraw:
        chosen = bernoulli(n, self.p, generator)
        return GrainDraw(uniform(n, self.shot, generator) * chosen, uniform(n, self.read, generator) * chosen, draw_seed(generator))

    def apply(self, x: Tensor, params: GrainDraw) -> Tensor:  # type: ignore[override]
        generator = seeded(params.seed, x.device)

        def noisy(part: Tensor, rows: Tensor) -> Tensor:
            noise = torch.randn(part.shape, generator=generator, device=part.device).to(part)
            variance = part.clamp(min=0) * per_sample(params.shot[rows], part) + per_sample(params.read[rows], part).square()
            return torch.addcmul(part, noise, variance.sqrt())

        return on_chosen(floating(x, self), (params.shot > 0) | (params.read > 0), noisy)


def _ends(flat: Tensor, measured: Tensor | None) -> tuple[Tensor, Tensor]:
    """Smallest and largest value of each channel of (B, C, n), each (B, C, 1), over the `measured` pixels; 0 and 0 where there is none."""
    if measured is None:
        low, high = flat.aminmax(dim=2, keepdim=True)
        return low, high
    known = measured.flatten(1)[:, None].expand_as(flat)
    low = flat.where(known, torch.inf).amin(2, keepdim=True)
    high = flat.where(known, -torch.inf).amax(2, keepdim=True)
    return low.where(low.isfinite(), 0.0), high.where(high.isfinite(), 0.0)


def one_a_channel(x: Tensor, seed: int) -> Tensor:
    """(B, C) uniform within ±1, on the host."""
    return uniform(x.shape[0] * x.shape[1], (-1.0, 1.0), seeded(seed)).view(x.shape[:2])
