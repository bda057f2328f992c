"""Ops in normalised space, where 0 is the mean of the data: whole channels or patches are taken away."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from labelfree.device_copies import beside
from labelfree.views.base import Range, ViewOp, bernoulli, draw_seed, floating, on_chosen, per_channel, seeded, sometimes, uniform


@dataclass(frozen=True)
class DropDraw:
    """`share`: (n,) of the channels to drop, 0 where not applied. `seed` chooses which."""

    share: Tensor
    seed: int


class ChannelDrop(ViewOp):
    """Sets one channel or more, up to `share` of them rounded up, to 0, never all of them: an encoder should not lean on one channel."""

    def __init__(self, share: float = 0.3, p: float = 0.3) -> None:
        super().__init__()
        self.share = share
        self.p = p

    def draw(self, n: int, generator: Generator) -> DropDraw:
        return DropDraw(sometimes(n, (0.0, self.share), self.p, generator), draw_seed(generator))

    def apply(self, x: Tensor, params: DropDraw) -> Tensor:  # type: ignore[override]
        batch, channels = x.shape[:2]
        rank = uniform(batch * channels, (0.0, 1.0), seeded(params.seed)).view(batch, channels).argsort(1).argsort(1)
        dropped = (params.share * channels).ceil().clamp(max=channels - 1)
        return floating(x, self) * per_channel((rank >= dropped[:, None]).float(), x)


class Grayscale(ViewOp):
    """Every channel becomes the mean of all: what is left is what the channels have in common."""

    def __init__(self, p: float = 0.2) -> None:
        super().__init__()
        self.p = p

    def draw(self, n: int, generator: Generator) -> Tensor:
        """(n,) 1 where applied, else 0."""
        return bernoulli(n, self.p, generator)

    def apply(self, x: Tensor, params: Tensor) -> Tensor:  # type: ignore[override]
        return on_chosen(floating(x, self), params > 0, lambda part, rows: part.mean(1, keepdim=True).expand_as(part))


@dataclass(frozen=True)
class EraseDraw:
    """`share`: (n,) of each side, 0 where not applied. `place`: (n, 3), 0 first to 1 last position along each axis."""

    share: Tensor
    place: Tensor


class Erase(ViewOp):
    """Sets one box a sample to 0 (random erasing, Zhong et al. 2020, arXiv:1708.04896); its sides are a share of the image's."""

    covers = True

    def __init__(self, share: Range = (0.1, 0.4), p: float = 0.3) -> None:
        super().__init__()
        self.share = share
        self.p = p

    def draw(self, n: int, generator: Generator) -> EraseDraw:
        share = sometimes(n, self.share, self.p, generator)
        return EraseDraw(share, uniform(3 * n, (0.0, 1.0), generator).view(n, 3))

    def apply(self, x: Tensor, params: EraseDraw) -> Tensor:  # type: ignore[override]
        inside = inside_box(beside(params.share, x), beside(params.place, x), tuple(x.shape[2:]))
        return floating(x, self).masked_fill(inside, 0)


def inside_box(share: Tensor, place: Tensor, shape: tuple[int, ...]) -> Tensor:
    """(B, 1, *shape) bool, True in a box whose sides are `share` (B,) of the image's; `place` (B, axes or more): 0 first to 1 last."""
    inside = torch.ones((), dtype=torch.bool, device=share.device)
    for axis, size in enumerate(shape):
        at = (torch.arange(size, device=share.device) + 0.5) / size
        first = (place[:, axis] * (1 - share))[:, None]
        hit = (at >= first) & (at < first + share[:, None])
        inside = inside & hit.view(len(share), 1, *(size if other == axis else 1 for other in range(len(shape))))
    return inside
