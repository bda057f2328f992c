"""Made-up anomalies: a piece of the image where it does not belong, or another texture in blotches. They know where they changed it.

As views they make an encoder indifferent to them; as a task of its own ("was it altered, and where?") an encoder learns to see them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from labelfree.device_copies import beside
from labelfree.views.base import Range, ViewOp, bernoulli, floating, moments, on_chosen, per_sample, uniform
from labelfree.views.perlin import perlin, slopes


class Anomaly(ViewOp):
    """An op that changes a part of an image and says which."""

    covers = True

    def altered(self, params: Any, x: Tensor) -> Tensor:
        """(B, *spatial) bool: where a batch like `x` (B, C, *spatial) is changed by this draw."""
        raise NotImplementedError


@dataclass(frozen=True)
class PasteDraw:
    """`share`: (n,) of the image's area, 0 where not applied. `stretch`: (n,) log-ratio of the piece's sides. `source`, `target`: (n, 3)
    where its middle is cut out and where it is pasted, 0 first to 1 last. `turn`: (n,) radians. `gain`: (n,).
    """

    share: Tensor
    stretch: Tensor
    source: Tensor
    target: Tensor
    turn: Tensor
    gain: Tensor


class CutPaste(Anomaly):
    """A rectangle of each image, turned and a little brighter or darker, pasted elsewhere in it (Li et al. 2021, arXiv:2104.04015).

    `share` of the area, `ratio` of the sides, turned by up to `degrees` either way within the last two axes, times 1 ± `gain`. Each pixel
    is a copy of one pixel: no interpolation gives the piece away. Any dtype, so that a draw can be replayed on masks: their numbers have
    no gain. What lies outside after a turn is cut off.
    """

    def __init__(
        self, share: Range = (0.02, 0.15), ratio: Range = (0.3, 3.3), degrees: float = 0.0, gain: float = 0.1, p: float = 0.5
    ) -> None:
        super().__init__()
        self.share = share
        self.ratio = ratio
        self.degrees = degrees
        self.gain = gain
        self.p = p

    @classmethod
    def scar(cls, p: float = 0.5) -> CutPaste:
        """A long thin piece, turned: the paper's CutPaste-Scar."""
        return cls((0.002, 0.01), (4.0, 12.0), 45.0, p=p)

    def draw(self, n: int, generator: Generator) -> PasteDraw:
        low, high = (math.log(side) for side in self.ratio)
        turn = math.radians(self.degrees)
        return PasteDraw(
            share=uniform(n, self.share, generator) * bernoulli(n, self.p, generator),
            stretch=uniform(n, (low, high), generator),
            source=uniform(3 * n, (0.0, 1.0), generator).view(n, 3),
            target=uniform(3 * n, (0.0, 1.0), generator).view(n, 3),
            turn=uniform(n, (-turn, turn), generator),
            gain=uniform(n, (1 - self.gain, 1 + self.gain), generator),
        )

    def apply(self, x: Tensor, params: PasteDraw) -> Tensor:  # type: ignore[override]
        def pasted(part: Tensor, rows: Tensor) -> Tensor:
            inside, origin = self._piece(params, rows, part)
            index = torch.zeros((), dtype=torch.long, device=x.device)
            for axis, size in enumerate(part.shape[2:]):
                index = index * size + origin[axis].clamp(0, size - 1)
            index = index.expand(inside.shape).flatten(1)[:, None].expand(-1, part.shape[1], -1)
            piece = part.flatten(2).gather(2, index).view_as(part)
            if part.is_floating_point():
                piece = piece * per_sample(params.gain[rows], part)
            return torch.where(inside[:, None], piece, part)

        return on_chosen(x, params.share > 0, pasted)

    def altered(self, params: PasteDraw, x: Tensor) -> Tensor:
        rows = torch.arange(len(x))
        return self._piece(params, rows, x)[0]

    def _piece(self, params: PasteDraw, rows: Tensor, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Where it is pasted, (B, *spatial) bool, and for each axis which pixel of the image comes to lie where, long, to be broadcast."""
        shape = x.shape[2:]
        axes = len(shape)
        each = params.share[rows, None] ** (1 / axes)
        stretch = torch.zeros(len(rows), axes)
        stretch[:, -2], stretch[:, -1] = params.stretch[rows] / 2, -params.stretch[rows] / 2
        whole = torch.tensor(shape, dtype=torch.float32)
        side = torch.minimum(each * stretch.exp() * whole, whole)  # (B, axes) in pixels, on the host
        cut = (side / 2 + params.source[rows, :axes] * (whole - side)).floor() + 0.5
        paste = (side / 2 + params.target[rows, :axes] * (whole - side)).floor() + 0.5
        away = [_pixels(size, axis, axes, x) - _beside(paste[:, axis], axes, x) for axis, size in enumerate(shape)]
        cos, sin = (_beside(number, axes, x) for number in (params.turn[rows].cos(), params.turn[rows].sin()))
        away[-2], away[-1] = cos * away[-2] - sin * away[-1], sin * away[-2] + cos * away[-1]  # back into the piece as it was cut
        inside = torch.ones((), dtype=torch.bool, device=x.device)
        for axis in range(axes):
            inside = inside & (away[axis].abs() < _beside(side[:, axis] / 2, axes, x))
        origin = [(place + _beside(cut[:, axis], axes, x)).floor().long() for axis, place in enumerate(away)]
        return inside.expand(len(rows), *shape), origin


@dataclass(frozen=True)
class BlotchDraw:
    """`cover`: (n,) share of the image, 0 where not applied. `cells`: (n, 3) of the lattice along each axis. `gradients`: see `slopes`.
    `opacity`, `contrast`, `offset`: (n,) of the texture that comes in. `moved`: (n, 3) how far it is moved, a share of each side.
    """

    cover: Tensor
    cells: Tensor
    gradients: Tensor
    opacity: Tensor
    contrast: Tensor
    offset: Tensor
    moved: Tensor


class Blotches(Anomaly):
    """Another texture where Perlin noise is high (DRAEM, Zavrtanik et al. 2021, arXiv:2108.07610), as blotches of every size and outline.

    The texture is the image's own, moved, its contrast changed or turned over, and brighter or darker by up to `offset` deviations of each
    channel, so that nothing foreign is needed; `opacity` of it covers `cover` of the image. `cells`: the lattice has 2 to the power of
    these along each axis.
    """

    def __init__(
        self,
        cover: Range = (0.01, 0.15),
        cells: tuple[int, int] = (1, 4),
        opacity: Range = (0.3, 1.0),
        offset: float = 2.0,
        p: float = 0.5,
    ) -> None:
        super().__init__()
        self.cover = cover
        self.cells = cells
        self.opacity = opacity
        self.offset = offset
        self.p = p

    def draw(self, n: int, generator: Generator) -> BlotchDraw:
        low, high = self.cells
        return BlotchDraw(
            cover=uniform(n, self.cover, generator) * bernoulli(n, self.p, generator),
            cells=2.0 ** torch.randint(low, high + 1, (n, 3), generator=generator),
            gradients=slopes(n, generator),
            opacity=uniform(n, self.opacity, generator),
            contrast=uniform(n, (-1.5, 1.5), generator),
            offset=uniform(n, (-self.offset, self.offset), generator),
            moved=uniform(3 * n, (0.1, 0.9), generator).view(n, 3),
        )

    def apply(self, x: Tensor, params: BlotchDraw) -> Tensor:  # type: ignore[override]
        return self._covered(x, params, None)

    def apply_measured(self, x: Tensor, params: BlotchDraw, measured: Tensor) -> Tensor:
        return self._covered(x, params, measured)

    def altered(self, params: BlotchDraw, x: Tensor) -> Tensor:
        return self._where(params, torch.arange(len(x)), x)

    def _covered(self, x: Tensor, params: BlotchDraw, measured: Tensor | None) -> Tensor:
        def covered(part: Tensor, rows: Tensor) -> Tensor:
            known = None if measured is None else measured[beside(rows, measured)]
            mean, deviation = moments(part.flatten(2), known)
            mean, deviation = (number.view(*part.shape[:2], *(1,) * (part.ndim - 2)) for number in (mean, deviation))
            texture = mean + per_sample(params.contrast[rows], part) * (_moved(part, params.moved[rows]) - mean)
            texture = texture + per_sample(params.offset[rows], part) * deviation
            opacity = self._where(params, rows, part)[:, None] * per_sample(params.opacity[rows], part)
            return part + opacity * (texture - part)

        return on_chosen(floating(x, self), params.cover > 0, covered)

    def _where(self, params: BlotchDraw, rows: Tensor, x: Tensor) -> Tensor:
        """(B, *spatial) bool: the pixels of highest noise, so many that they are `cover` of the image."""
        noise = perlin(tuple(x.shape[2:]), params.cells[rows], params.gradients[rows], x)
        level = noise.flatten(1).sort(1).values
        place = ((1 - params.cover[rows]) * (level.shape[1] - 1)).ceil().long()
        return noise > per_sample(level.gather(1, beside(place[:, None], level)).flatten(), noise)


def anomalies() -> tuple[Anomaly, ...]:
    """Those that "was it altered?" is asked of, in this order, each of them applied: CutPaste, its scars, blotches."""
    return CutPaste(p=1.0), CutPaste.scar(p=1.0), Blotches(p=1.0)


def _pixels(size: int, axis: int, axes: int, x: Tensor) -> Tensor:
    """Middles of pixels along one axis, to be broadcast over (B, *spatial)."""
    at = torch.arange(size, device=x.device) + 0.5
    return at.view(1, *(size if other == axis else 1 for other in range(axes)))


def _beside(values: Tensor, axes: int, x: Tensor) -> Tensor:
    """(B,) on the device of `x`, to be broadcast over (B, *spatial)."""
    return beside(values, x).view(-1, *(1,) * axes)


def _moved(x: Tensor, share: Tensor) -> Tensor:
    """Each image of (B, C, *spatial) moved by a `share` (B, 3) of each side; what leaves comes in on the other side."""
    for axis, size in enumerate(x.shape[2:], start=2):
        steps = (share[:, axis - 2] * size).long()
        index = (torch.arange(size) - steps[:, None]) % size  # (B, size)
        index = beside(index, x).view(len(x), 1, *(size if other == axis else 1 for other in range(2, x.ndim)))
        x = x.gather(axis, index.expand(x.shape))
    return x
