"""What goes wrong while an MR scanner collects k-space: ghosts of what moved, and spikes. Floating point in and out, nothing clamped."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from labelfree.views import Range, ViewOp, on_chosen, per_sample, uniform
from labelfree.views.base import beside, floating, moments, sometimes

KEPT = 0.02  # share of the lines on either side of the middle that stay: they hold the contrast


@dataclass(frozen=True)
class GhostDraw:
    """`strength`: (n,) share of a line that is lost, 0 where not applied. `ghosts`: (n,) how many. `axis`: (n,) position among the axes."""

    strength: Tensor
    ghosts: Tensor
    axis: Tensor


class Ghosting(ViewOp):
    """Copies of the image shifted along one axis and wrapped around: every n-th line of k-space is weaker, but for the middle ones.

    So looks what moves in time with the lines, such as a chest that breathes. The mean stays. Input and output: (B, C, *spatial).
    `axes`: those along which lines may be encoded, counted from the end. `ghosts`: fewest and most copies.
    """

    def __init__(
        self, strength: Range = (0.1, 0.4), ghosts: tuple[int, int] = (2, 6), axes: Sequence[int] = (-1, -2), p: float = 0.1
    ) -> None:
        super().__init__()
        self.strength = strength
        self.ghosts = ghosts
        self.axes = tuple(axes)
        self.p = p

    def draw(self, n: int, generator: Generator) -> GhostDraw:
        return GhostDraw(
            strength=sometimes(n, self.strength, self.p, generator),
            ghosts=torch.randint(self.ghosts[0], self.ghosts[1] + 1, (n,), generator=generator),
            axis=torch.randint(len(self.axes), (n,), generator=generator),
        )

    def apply(self, x: Tensor, params: GhostDraw) -> Tensor:  # type: ignore[override]
        x = floating(x, self)
        for position, axis in enumerate(self.axes):

            def ghosted(part: Tensor, rows: Tensor, axis: int = axis) -> Tensor:
                size = part.shape[axis]
                line = torch.arange(size // 2 + 1)
                hit = (line % params.ghosts[rows, None] == 0) & (line > KEPT * size)
                share = 1 - params.strength[rows, None] * hit  # (B, lines)
                moved = torch.fft.rfft(part.movedim(axis, -1).float())
                lines = beside(share, part).view(len(part), *(1,) * (part.ndim - 2), -1)
                return torch.fft.irfft(moved * lines, n=size).movedim(-1, axis).to(part.dtype)

            x = on_chosen(x, (params.strength > 0) & (params.axis == position), ghosted)
        return x

    def apply_measured(self, x: Tensor, params: GhostDraw, measured: Tensor) -> Tensor:
        """What is not measured gives no ghosts: it counts as the mean of the rest."""
        mean = moments(floating(x, self).flatten(2), measured)[0]
        return self.apply(x.where(measured[:, None], mean.view(*x.shape[:2], *(1,) * (x.ndim - 2))), params)


@dataclass(frozen=True)
class SpikeDraw:
    """`strength`: (n,) 0 where not applied. `wave`: (n, 3) share of the highest frequency along each axis. `phase`: (n,) in radians."""

    strength: Tensor
    wave: Tensor
    phase: Tensor


class Spike(ViewOp):
    """One wrong point of k-space: a wave of stripes over the whole image, its height in spreads of each channel.

    Input and output: (B, C, *spatial).
    """

    def __init__(self, strength: Range = (0.1, 0.5), p: float = 0.1) -> None:
        super().__init__()
        self.strength = strength
        self.p = p

    def draw(self, n: int, generator: Generator) -> SpikeDraw:
        wave = uniform(3 * n, (-1.0, 1.0), generator).view(n, 3)
        return SpikeDraw(sometimes(n, self.strength, self.p, generator), wave, uniform(n, (0.0, 2 * math.pi), generator))

    def apply(self, x: Tensor, params: SpikeDraw) -> Tensor:  # type: ignore[override]
        return self._striped(x, params, moments(floating(x, self).flatten(2), None)[1])

    def apply_measured(self, x: Tensor, params: SpikeDraw, measured: Tensor) -> Tensor:
        return self._striped(x, params, moments(floating(x, self).flatten(2), measured)[1])

    def _striped(self, x: Tensor, params: SpikeDraw, spread: Tensor) -> Tensor:
        """`spread`: (B, C, 1)."""

        def striped(part: Tensor, rows: Tensor) -> Tensor:
            angle = per_sample(params.phase[rows], part)
            for axis in range(2, part.ndim):
                size = part.shape[axis]
                highest = params.wave[rows, axis - 2] * (size // 2)
                cycles = highest.sign() * highest.abs().ceil() if axis == part.ndim - 1 else highest.round()  # at least one along rows
                at = torch.arange(size, device=part.device) * (2 * math.pi / size)
                turns = beside(cycles, part)[:, None] * at  # (B, size)
                angle = angle + turns.view(len(part), 1, *(size if other == axis else 1 for other in range(2, part.ndim)))
            height = per_sample(params.strength[rows], part) * spread[beside(rows, spread)].view(*part.shape[:2], *(1,) * (part.ndim - 2))
            return part + height * angle.cos()

        return on_chosen(x, params.strength > 0, striped)
