"""A network whose vector of an image holds several of its levels: what earlier layers see of texture, beside what the last makes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from labelfree.backbones.base import Backbone, Features
from labelfree.backbones.registry import family_of
from labelfree.backbones.wrapped import Wrapped
from labelfree.errors import RecipeError

PREFIX = "levels/"
OWN = 0  # among `levels`: the network's own vector
USUAL = (OWN, -1, -2)


class LevelNetwork(Wrapped):
    """`inner`, whose pooled features are, side by side, those of `levels`: feature maps averaged over their grid, each made as long as 1,
    so that all count alike. A level is a number from 1, the finest, or from -1, the coarsest; 0 is the network's own vector.

    Tokens, maps and attention stay the network's.
    """

    def __init__(self, inner: Backbone, levels: Sequence[int]) -> None:
        super().__init__(inner, PREFIX, dims=inner.dims, dim=sum(_widths(inner, levels)), more={"levels": list(levels)})
        self.levels = tuple(levels)

    def forward(self, x: Tensor, hidden: Tensor | None = None, mask_token: Tensor | None = None) -> Features:
        if hidden is not None:
            raise RecipeError(f"backbone.name: {self.name} hides no tokens; take {self.inner.name} for an objective that does.")
        seen, maps = self.inner.with_pyramid(x)
        return Features(self._joined(seen.pooled, maps), seen.tokens, seen.prefix)

    def pyramid(self, x: Tensor) -> list[Tensor]:
        return self.inner.pyramid(x)

    def attention(self, x: Tensor) -> Tensor | None:
        return self.inner.attention(x)

    def hidden_states(self, x: Tensor, layer: int) -> Tensor:
        return self.inner.hidden_states(x, layer)

    def _joined(self, own: Tensor, maps: Sequence[Tensor]) -> Tensor:
        """(B, dim) of the network's own vectors (B, D) and its maps (B, D_i, *grid_i)."""
        chosen = (own if level == OWN else maps[_at(level)].flatten(2).mean(2) for level in self.levels)
        return torch.cat([F.normalize(vector.float(), dim=1) for vector in chosen], 1).to(own.dtype)


class Levels:
    """Every name `levels/NAME` of a network that another family makes; its option `levels` says which ones."""

    def knows(self, name: str) -> bool:
        return name.startswith(PREFIX)

    def near(self, name: str) -> list[str]:
        return []

    def make(self, name: str, channels: int, dims: int | None, options: Mapping[str, Any]) -> Backbone:
        levels, others = _levels(options)
        plain = name.removeprefix(PREFIX)
        return LevelNetwork(family_of(plain).make(plain, channels, dims, others), levels)

    def published(self, name: str, options: Mapping[str, Any]) -> dict[str, Tensor]:
        plain = name.removeprefix(PREFIX)
        return family_of(plain).published(plain, _levels(options)[1])


def _levels(options: Mapping[str, Any]) -> tuple[tuple[int, ...], dict[str, Any]]:
    """The option `levels`, and those of the network itself. Raises RecipeError."""
    levels = options.get("levels", USUAL)
    if not isinstance(levels, (list, tuple)) or not levels or not all(isinstance(each, int) for each in levels):
        raise RecipeError(f"backbone.options.levels: {levels!r} is no list of levels; give numbers such as [0, -1, -2].")
    return tuple(levels), {key: value for key, value in options.items() if key != "levels"}


@torch.no_grad()
def _widths(inner: Backbone, levels: Sequence[int]) -> list[int]:
    """How many numbers each level has, as a small image shows. Raises RecipeError for one that the network does not have."""
    training, where = inner.training, next(inner.parameters())
    side = max(inner.side, 32) if inner.transformer else 32
    maps = inner.eval().pyramid(torch.zeros(1, inner.channels, *(side,) * inner.dims, device=where.device, dtype=where.dtype))
    inner.train(training)
    if wrong := [level for level in levels if level != OWN and not -len(maps) <= level <= len(maps)]:
        raise RecipeError(
            f"backbone.options.levels: {inner.name} has {len(maps)} levels, 1 to {len(maps)} from the finest, and no {wrong[0]}."
        )
    return [inner.dim if level == OWN else maps[_at(level)].shape[1] for level in levels]


def _at(level: int) -> int:
    """Where a level from 1, or from -1, stands in a list."""
    return level - 1 if level > 0 else level
