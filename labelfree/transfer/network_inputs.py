"""What a network is shown of images: which of their channels, or a picture of them, how it is normalised, and in which proportions.

All of it can be told as JSON and made anew from that, so that a head finds the input it was taught by without the run that made it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from labelfree.backbones.base import BILINEAR
from labelfree.backbones.slicewise import pictures, planar, stacked
from labelfree.backbones.weights import network_input, resize
from labelfree.domain import Domain, Size, as_size, in_proportion, sides, to_physical
from labelfree.views import Normalise, normalise_of

Render = Callable[[Tensor, Tensor | None], Tensor | None]


@dataclass(frozen=True)
class NetworkInput:
    """Physical images (B, C, *spatial) as a network wants them.

    `order`: of each channel that it is shown the position among the images', None for one that they lack, which is 0 then; None: all as
    they stand. `render`: shows pictures (B, 3, *spatial) of them instead. `view`: a size whose proportions inputs have; a number: all sides
    are as long. `interpolation`: by which pictures are resized. `slices`: the axis across the slices of a volume that a network of pictures
    sees one by one: none is resized away, each is normalised by itself, and the volume is rendered as a whole.
    """

    normalise: Normalise
    order: tuple[int | None, ...] | None = None
    render: Render | None = None
    view: Size = 1
    interpolation: str = BILINEAR
    slices: int | None = None

    def __call__(self, physical: Tensor, size: Size, measured: Tensor | None = None, whole: Tensor | None = None) -> Tensor:
        """The input at `size`; a number: its longest side. `measured`: (B, *spatial) bool. `whole`: (B, C, 2), images of two pixels whose
        statistics a normalisation by image takes, in place of these images' own: those that they are parts of.
        """
        shape = self.sized(size, physical.shape[2:])
        if self.slices is None:
            by = self.normalise if whole is None or not self.normalise.by_image else self.normalise.of(self.seen(whole, None))
            return network_input(self.seen(physical, measured), by, shape, measured, self.interpolation)
        flat = planar(shape, self.slices)
        if self.render is not None:
            physical, measured = self._small_slices(physical, flat, measured)
        known = None if measured is None else pictures(measured[:, None], self.slices)[:, 0]
        seen = pictures(self.seen(physical, measured), self.slices)
        return stacked(network_input(seen, self.normalise, flat, known, self.interpolation), len(physical), self.slices)

    def sized(self, size: Size, shape: Sequence[int] = ()) -> Size:
        """One number for the longest side, as a size in the proportions of `view`. `shape`: of the images, which keep all their slices."""
        wanted = in_proportion(self.view, size) if isinstance(size, int) else size
        if self.slices is None or not shape:
            return wanted
        across = sides(planar(wanted, self.slices), len(shape) - 1)
        return (*across[: self.slices], int(shape[self.slices]), *across[self.slices :])

    def _small_slices(self, physical: Tensor, flat: Size, measured: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Slices of a volume resized before it is rendered: then its pictures take no more memory than what the network sees."""
        assert self.slices is not None
        resized = resize(pictures(physical, self.slices), sides(flat, physical.ndim - 3), self.interpolation)
        small = stacked(resized, len(physical), self.slices)
        known = None if measured is None else F.interpolate(measured[:, None].float(), size=small.shape[2:], mode="nearest")[:, 0] > 0
        return small, known

    def seen(self, physical: Tensor, measured: Tensor | None) -> Tensor:
        """What is normalised: the channels chosen, or a picture of the images."""
        if self.render is not None:
            shown = self.render(physical, measured)
            assert shown is not None
            return shown
        if self.order is None:
            return physical
        there = [at for at, source in enumerate(self.order) if source is not None]
        known = physical[:, [source for source in self.order if source is not None]]
        if len(there) == len(self.order):
            return known
        at = torch.tensor(there, device=known.device)
        centre = known.new_tensor(self.normalise.centre(len(self.order))).view(1, -1, *(1,) * (known.ndim - 2))
        return centre.repeat(len(known), 1, *known.shape[2:]).index_copy(1, at, known)

    def told(self) -> dict[str, Any]:
        """What `input_of` makes it anew of, as JSON keeps it."""
        order = None if self.order is None else list(self.order)
        view = self.view if isinstance(self.view, int) else list(self.view)
        resized = {} if self.interpolation == BILINEAR else {"interpolation": self.interpolation}
        sliced = {} if self.slices is None else {"slices": self.slices}
        return {"normalise": self.normalise.told(), "order": order, "rendered": self.render is not None, "view": view, **resized, **sliced}


def input_of(told: Mapping[str, Any], render: Render) -> NetworkInput:
    """What `told` gave, made anew. `render`: shows pictures of the images, where they were shown so. Raises DataError as `normalise_of`."""
    order = None if told["order"] is None else tuple(told["order"])
    shown, interpolation = render if told["rendered"] else None, str(told.get("interpolation", BILINEAR))
    return NetworkInput(normalise_of(told["normalise"]), order, shown, as_size(told["view"]), interpolation, told.get("slices"))


@dataclass(frozen=True)
class Rendered:
    """Pictures of images as their domain shows them."""

    domain: Domain
    channels: tuple[str, ...]
    unit: str

    def __call__(self, physical: Tensor, measured: Tensor | None = None) -> Tensor | None:
        return self.domain.render(physical, self.channels, self.unit, measured)


@dataclass(frozen=True)
class OfStored:
    """What a network is shown of stored numbers: physical = stored * scale + offset, numbers of each channel."""

    scale: Sequence[float]
    offset: Sequence[float]
    shown: NetworkInput

    def __call__(self, stored: Tensor, size: Size, measured: Tensor | None = None, whole: Tensor | None = None) -> Tensor:
        known = None if whole is None else to_physical(whole, self.scale, self.offset)
        return self.shown(to_physical(stored, self.scale, self.offset), size, measured, known)

    @property
    def normalise(self) -> Normalise:
        return self.shown.normalise

    def in_proportion(self, view: Size) -> OfStored:
        """The same, in the proportions of `view`."""
        return replace(self, shown=replace(self.shown, view=view))

    def by_slices(self, axis: int) -> OfStored:
        """The same of each slice of a volume."""
        return replace(self, shown=replace(self.shown, slices=axis))
