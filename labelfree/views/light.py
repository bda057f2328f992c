"""Light that falls unevenly: a ramp, the edge of a shadow, a glare. Floating point in and out, nothing clamped; 2D and volumes.

All channels get the same light, so that no hue changes. Directions and places are drawn for three axes; a picture takes the first two.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from labelfree.device_copies import beside
from labelfree.views.base import Range, ViewOp, floating, on_chosen, per_sample, sometimes, uniform


@dataclass(frozen=True)
class RampDraw:
    """`strength`: (n,), 0 where not applied. `direction`: (n, 3), of any length."""

    strength: Tensor
    direction: Tensor


class LightRamp(ViewOp):
    """Brighter on one side: a gain whose log rises evenly in any direction, from -strength in one corner to +strength in the other."""

    def __init__(self, strength: Range = (0.0, 0.4), p: float = 0.5) -> None:
        super().__init__()
        self.strength = strength
        self.p = p

    def draw(self, n: int, generator: Generator) -> RampDraw:
        return RampDraw(sometimes(n, self.strength, self.p, generator), torch.randn(n, 3, generator=generator))

    def apply(self, x: Tensor, params: RampDraw) -> Tensor:  # type: ignore[override]
        def lit(part: Tensor, rows: Tensor) -> Tensor:
            rise = across(params.direction[rows], part)
            return part * (rise * per_sample(params.strength[rows], rise)).exp().to(part.dtype)[:, None]

        return on_chosen(floating(x, self), params.strength > 0, lit)


@dataclass(frozen=True)
class ShadowDraw:
    """`depth`: (n,) share of the light that is taken, 0 where not applied. `direction`: (n, 3). `edge`: (n,) where it begins along that,
    -1 to 1, and `softness`: (n,) how far it takes until all of `depth` is gone.
    """

    depth: Tensor
    direction: Tensor
    edge: Tensor
    softness: Tensor


class SoftShadow(ViewOp):
    """Something stands before the light: on one side of a straight soft edge a share of it is missing."""

    def __init__(self, depth: Range = (0.1, 0.5), softness: Range = (0.1, 1.0), p: float = 0.3) -> None:
        super().__init__()
        self.depth = depth
        self.softness = softness
        self.p = p

    def draw(self, n: int, generator: Generator) -> ShadowDraw:
        return ShadowDraw(
            depth=sometimes(n, self.depth, self.p, generator),
            direction=torch.randn(n, 3, generator=generator),
            edge=uniform(n, (-0.6, 0.6), generator),
            softness=uniform(n, self.softness, generator),
        )

    def apply(self, x: Tensor, params: ShadowDraw) -> Tensor:  # type: ignore[override]
        def shaded(part: Tensor, rows: Tensor) -> Tensor:
            place = across(params.direction[rows], part)
            inside = ((place - per_sample(params.edge[rows], place)) / per_sample(params.softness[rows], place)).clamp(0, 1)
            taken = inside.square() * (3 - 2 * inside) * per_sample(params.depth[rows], place)
            return part * (1 - taken).to(part.dtype)[:, None]

        return on_chosen(floating(x, self), params.depth > 0, shaded)


@dataclass(frozen=True)
class GlareDraw:
    """`amount`: (n,) added in its middle, in the batch's unit, 0 where not applied. `middle`: (n, 3), 0 to 1 along each axis.

    `radius`: (n,) its deviation as a share of the shortest side; `stretch`: (n,) times as long in a `direction` (n, 3).
    """

    amount: Tensor
    middle: Tensor
    radius: Tensor
    stretch: Tensor
    direction: Tensor


class Glare(ViewOp):
    """A mirror image of the light: a soft bright blob, round or long, that adds up to `amount` in the batch's unit to every channel."""

    def __init__(self, amount: Range = (0.1, 0.5), radius: Range = (0.05, 0.3), stretch: Range = (1.0, 4.0), p: float = 0.3) -> None:
        super().__init__()
        self.amount = amount
        self.radius = radius
        self.stretch = stretch
        self.p = p

    def draw(self, n: int, generator: Generator) -> GlareDraw:
        return GlareDraw(
            amount=sometimes(n, self.amount, self.p, generator),
            middle=uniform(3 * n, (0.0, 1.0), generator).view(n, 3),
            radius=uniform(n, self.radius, generator),
            stretch=uniform(n, self.stretch, generator),
            direction=torch.randn(n, 3, generator=generator),
        )

    def apply(self, x: Tensor, params: GlareDraw) -> Tensor:  # type: ignore[override]
        def glaring(part: Tensor, rows: Tensor) -> Tensor:
            axes, shape = part.ndim - 2, part.shape[2:]
            way = _unit(params.direction[rows, :axes])
            far = torch.zeros((), device=part.device)
            along = torch.zeros((), device=part.device)
            for axis, size in enumerate(shape):
                pixels = (torch.arange(size, device=part.device) + 0.5) / min(shape)
                apart = pixels - beside(params.middle[rows, axis, None] * (size / min(shape)), part)  # (B, size)
                apart = apart.view(len(part), *(size if other == axis else 1 for other in range(axes)))
                far = far + apart.square()
                along = along + apart * per_sample(way[:, axis], apart)
            shorter = 1 - params.stretch[rows] ** -2
            distance = (far - along.square() * per_sample(shorter, far)) / per_sample(params.radius[rows], far).square()
            return part + ((-0.5 * distance).exp() * per_sample(params.amount[rows], far)).to(part.dtype)[:, None]

        return on_chosen(floating(x, self), params.amount > 0, glaring)


def across(direction: Tensor, x: Tensor) -> Tensor:
    """(B, *spatial) how far the middles of pixels lie in a `direction` (B, 3): from -1 to 1 in the corners of an endlessly fine image."""
    axes = x.ndim - 2
    way = direction[:, :axes]
    way = way / way.abs().sum(1, keepdim=True).clamp(min=torch.finfo(torch.float32).tiny)
    place = torch.zeros((), device=x.device)
    for axis, size in enumerate(x.shape[2:]):
        at = (2 * torch.arange(size, device=x.device) + 1) / size - 1
        at = at.view(*(size if other == axis else 1 for other in range(axes)))
        place = place + per_sample(way[:, axis], x[:, 0].float()) * at
    return place


def _unit(direction: Tensor) -> Tensor:
    return direction / direction.norm(dim=1, keepdim=True).clamp(min=torch.finfo(torch.float32).tiny)
