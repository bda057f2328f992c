"""Hounsfield units seen through another window than the usual one. Floating point in and out, nothing clamped."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Generator, Tensor

from labelfree.views import Range, ViewOp, per_sample
from labelfree.views.base import factors, floating, sometimes


@dataclass(frozen=True)
class WindowDraw:
    """`shift`: (n,) of the window's middle, 0 where not applied. `width`: (n,) factors, 1 where not applied."""

    shift: Tensor
    width: Tensor


class WindowJitter(ViewOp):
    """Numbers placed in the window from `low` to `high` as they would lie in one that is shifted and wider or narrower.

    What the network then sees is what a person sees who turns the window's knobs. `shift`: largest, either way, in the batch's unit;
    `width`: factor, log-uniform. Input and output: (B, C, *spatial).
    """

    def __init__(self, low: float, high: float, shift: float = 30.0, width: Range = (0.8, 1.25), p: float = 0.5) -> None:
        super().__init__()
        self.middle = (low + high) / 2
        self.shift = shift
        self.width = width
        self.p = p

    def draw(self, n: int, generator: Generator) -> WindowDraw:
        return WindowDraw(sometimes(n, (-self.shift, self.shift), self.p, generator), factors(n, self.width, self.p, generator))

    def apply(self, x: Tensor, params: WindowDraw) -> Tensor:  # type: ignore[override]
        x = floating(x, self)
        return (x - per_sample(params.shift + self.middle, x)) / per_sample(params.width, x) + self.middle
