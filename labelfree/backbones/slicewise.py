"""Networks of pictures on volumes: each slice is seen by itself, vectors are averaged over slices, maps are stacked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from labelfree.backbones.base import Backbone, Features
from labelfree.backbones.registry import family_of
from labelfree.backbones.wrapped import Wrapped
from labelfree.domain import Size, as_size, sides
from labelfree.errors import RecipeError

PREFIX = "slicewise/"
PIXELS = 2**20  # of slices that go through the network at once where nothing is learnt
COARSER = 1.01  # times as long as the shortest side of a voxel, from which on an axis counts as the one across slices


class SliceNetwork(Wrapped):
    """A network of pictures as one of volumes (B, C, *spatial), whose slices lie along the spatial axis `axis`.

    Pooled features are the mean over slices. Tokens and maps keep every slice: their grids are as long as the volume along `axis`.
    """

    def __init__(self, flat: Backbone, axis: int) -> None:
        super().__init__(flat.to(memory_format=torch.channels_last), PREFIX, dims=3, dim=flat.dim, more={"axis": axis})  # type: ignore[call-overload]
        self.axis = axis

    def forward(self, x: Tensor, hidden: Tensor | None = None, mask_token: Tensor | None = None) -> Features:
        where = None if hidden is None else pictures(hidden[:, None], self.axis)[:, 0]
        seen = self.inner(_laid_out(pictures(x, self.axis)), where, mask_token)
        count = len(x)
        tokens = None if seen.tokens is None else stacked(seen.tokens, count, self.axis)
        return Features(_mean(seen.pooled, count), tokens, None if seen.prefix is None else _mean(seen.prefix, count))

    def embed(self, x: Tensor) -> Tensor:
        return _mean(torch.cat(self._each(x, self.inner.embed)), len(x))

    def pyramid(self, x: Tensor) -> list[Tensor]:
        """The levels of each slice, stacked: (B, D_i, *grid_i), along `axis` as long as the volume."""
        parts = self._each(x, self.inner.pyramid)
        return [stacked(torch.cat(levels), len(x), self.axis) for levels in zip(*parts, strict=True)]

    def hidden_states(self, x: Tensor, layer: int) -> Tensor:
        """A layer of each slice, stacked as `pyramid` has it."""
        return stacked(torch.cat(self._each(x, lambda part: self.inner.hidden_states(part, layer))), len(x), self.axis)

    def attention(self, x: Tensor) -> Tensor | None:
        """As of a picture in each slice, all slices alike."""
        parts = self._each(x, self.inner.attention)
        if any(part is None for part in parts):
            return None
        maps = stacked(torch.cat(parts), len(x), self.axis)
        return maps / maps.shape[2 + self.axis]

    def require_size(self, size: Size, key: str) -> None:
        self.inner.require_size(planar(sides(size, 3), self.axis), key)

    def _each(self, x: Tensor, see: Callable[[Tensor], Any]) -> list[Any]:
        """What `see` says of all slices, so many at once that memory does not grow with the volume; all of them where something learns."""
        flat = pictures(x, self.axis)
        most = len(flat) if self.training or torch.is_grad_enabled() else max(1, PIXELS // flat[0, 0].numel())
        return [see(_laid_out(part)) for part in flat.split(most)]


class Slicewise:
    """Every name `slicewise/NAME` of a network of pictures that another family makes; its option `axis` is the one across slices."""

    def knows(self, name: str) -> bool:
        return name.startswith(PREFIX)

    def near(self, name: str) -> list[str]:
        return []

    def make(self, name: str, channels: int, dims: int | None, options: Mapping[str, Any]) -> Backbone:
        if dims not in (None, 3):
            raise RecipeError(f"backbone.name: {name} reads volumes slice by slice; name {name.removeprefix(PREFIX)} for pictures.")
        axis, others = _axis(options)
        plain = name.removeprefix(PREFIX)
        return SliceNetwork(family_of(plain).make(plain, channels, 2, others), axis)

    def published(self, name: str, options: Mapping[str, Any]) -> dict[str, Tensor]:
        plain = name.removeprefix(PREFIX)
        return family_of(plain).published(plain, _axis(options)[1])


def _axis(options: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    """The option `axis`, and those of the network itself. Raises RecipeError."""
    axis = options.get("axis", 0)
    if axis not in (0, 1, 2) or isinstance(axis, bool):
        raise RecipeError(f"backbone.options.axis: {axis!r} is no axis of a volume; give 0, 1 or 2, the one across slices.")
    return axis, {key: value for key, value in options.items() if key != "axis"}


def axis_across(spacing: Sequence[float] | None) -> int:
    """The axis along which slices lie: that of the largest spacing, the first where all are alike or nobody knows them."""
    if spacing is None or len(spacing) != 3 or max(spacing) <= COARSER * min(spacing):
        return 0
    return max(range(3), key=lambda axis: spacing[axis])


def pictures(x: Tensor, axis: int) -> Tensor:
    """(B, C, *spatial) volumes to (B * slices, C, H, W), the slices of one volume together."""
    return x.movedim(2 + axis, 1).flatten(0, 1)


def stacked(x: Tensor, count: int, axis: int) -> Tensor:
    """The other way: (count * slices, C, H, W) to (count, C, *spatial)."""
    return x.unflatten(0, (count, -1)).movedim(1, 2 + axis)


def planar(size: Size, axis: int) -> Size:
    """The size of a slice of a volume of this size; one of two axes is a slice's already."""
    if isinstance(size, int) or len(size) == 2:
        return size
    return as_size([length for at, length in enumerate(size) if at != axis])


def _mean(x: Tensor, count: int) -> Tensor:
    """(count * slices, ...) to (count, ...)."""
    return x.unflatten(0, (count, -1)).mean(1)


def _laid_out(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)
