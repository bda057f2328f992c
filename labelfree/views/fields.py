"""Slow changes over a whole image: a coil that hears one side better, a lamp that stands to the left. Floating point, nothing clamped."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from labelfree.device_copies import beside
from labelfree.views.base import Range, ViewOp, floating, on_chosen, per_sample, sometimes, uniform

DEGREE = 3  # of the polynomial, as scanners' bias is corrected with (Van Leemput et al. 1999)


@dataclass(frozen=True)
class FieldDraw:
    """`strength`: (n,) largest log of the gain, 0 where not applied. `coefficients`: (n, 4, 4, 4) of powers of positions along the axes."""

    strength: Tensor
    coefficients: Tensor


class BiasField(ViewOp):
    """All channels times a smooth gain: the exponential of a polynomial in the pixels' positions, its mean 0.

    The log of the gain reaches at most ± a strength drawn from `strength`. Numbers are taken to be 0 where there is no signal, as in MR and
    of light; not meant for Hounsfield units. Input and output: (B, C, *spatial), 2D or 3D.
    """

    def __init__(self, strength: Range = (0.0, 0.4), p: float = 0.3) -> None:
        super().__init__()
        self.strength = strength
        self.p = p

    def draw(self, n: int, generator: Generator) -> FieldDraw:
        powers = DEGREE + 1
        order = torch.arange(powers)
        degree = order[:, None, None] + order[:, None] + order
        each = uniform(n * powers**3, (-1.0, 1.0), generator).view(n, powers, powers, powers)
        return FieldDraw(sometimes(n, self.strength, self.p, generator), each * (degree <= DEGREE))

    def apply(self, x: Tensor, params: FieldDraw) -> Tensor:  # type: ignore[override]
        def gained(part: Tensor, rows: Tensor) -> Tensor:
            field = polynomial(params.coefficients[rows], part)
            field = field - field.flatten(1).mean(1).view(-1, *(1,) * (field.ndim - 1))
            reach = field.flatten(1).abs().amax(1).clamp(min=torch.finfo(torch.float32).tiny)
            return part * (field * per_sample(params.strength[rows], field) / per_sample(reach, field)).exp().to(part.dtype)[:, None]

        return on_chosen(floating(x, self), params.strength > 0, gained)


def polynomial(coefficients: Tensor, x: Tensor) -> Tensor:
    """(B, *spatial) values at the centres of the pixels of `x`, each axis from -1 to 1; a picture is a volume's slice through 0."""
    coefficients = beside(coefficients, x)
    if x.ndim == 4:
        coefficients = coefficients[:, 0]
    for axis, size in enumerate(x.shape[2:]):
        at = (2 * torch.arange(size, device=x.device) + 1) / size - 1
        powers = at[:, None] ** torch.arange(DEGREE + 1, device=x.device)  # (size, powers)
        coefficients = (coefficients.movedim(axis + 1, -1) @ powers.mT).movedim(-1, axis + 1)
    return coefficients
