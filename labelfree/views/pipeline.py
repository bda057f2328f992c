"""A view from stored numbers to the network's input, its steps in one fixed order.

Pixels without a measurement take part in no statistic and are 0 in the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor, nn

from labelfree.views.base import Range, ViewOp, per_channel
from labelfree.views.geometry import Geometry, ResizedCrop, unmirrored
from labelfree.views.normalise import Normalise


@dataclass(frozen=True)
class Augmentation:
    """The ops of a field's views.

    `geometry` runs after the crop, which the pipeline makes itself: size and scale are the recipe's.
    `physics` runs in physical units, `late` on normalised values. `global_scale`, `local_scale`: area of the crops as a share of the image.
    `overlap`: what global crops share with the first at least, of the smaller of the two: two views of an organ should show it both.
    `labelled`: ops that labelled tiles alone go through besides, masks and boxes with them, where a network is trained along.
    `sideways`: the axis along which left and right lie, counted from the end; None where nobody knows.
    """

    geometry: Sequence[ViewOp] = ()
    physics: Sequence[ViewOp] = ()
    late: Sequence[ViewOp] = ()
    global_scale: Range = (0.2, 1.0)
    local_scale: Range = (0.05, 0.2)
    ratio: Range = field(default=(3 / 4, 4 / 3))
    overlap: float = 0.0
    labelled: Sequence[Geometry] = ()
    sideways: int | None = -1

    def unmirrored(self) -> Augmentation:
        """The same without ops that swap left and right: none of what is flipped where nobody knows along which axis they lie."""
        return replace(self, geometry=unmirrored(self.geometry, self.sideways))


class Drawn(NamedTuple):
    """One view of each sample: (B, C, *size) in physical units, after all ops that work on these, and as it is normalised for the network
    that learns, after the late ops. `measured`: (B, *size) bool, None: everywhere.
    """

    physical: Tensor
    normal: Tensor
    measured: Tensor | None

    @classmethod
    def joined(cls, views: Iterable[Drawn]) -> Drawn:
        """Several views as one batch, view-major."""
        physical, normal, masks = zip(*views, strict=True)
        if all(mask is None for mask in masks):
            return cls(torch.cat(physical), torch.cat(normal), None)
        everywhere = torch.ones_like(physical[0][:, 0], dtype=torch.bool)
        return cls(torch.cat(physical), torch.cat(normal), torch.cat([everywhere if mask is None else mask for mask in masks]))


class ViewPipeline(nn.Module):
    """Stored dtype -> float32 physical units -> crop and geometry -> physics -> normalise -> late ops; the order never changes.

    `scale`, `offset`: one number a channel, physical = stored * scale + offset.
    """

    scale: Tensor
    offset: Tensor

    def __init__(self, augmentation: Augmentation, normalise: Normalise, scale: Sequence[float], offset: Sequence[float]) -> None:
        super().__init__()
        self.augmentation = augmentation
        self.geometry = nn.ModuleList(augmentation.geometry)
        self.physics = nn.ModuleList(augmentation.physics)
        self.normalise = normalise
        self.late = nn.ModuleList(augmentation.late)
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float32))
        self.register_buffer("offset", torch.tensor(offset, dtype=torch.float32))

    def view(self, stored: Tensor, size: int | Sequence[int], crop_scale: Range, generator: Generator) -> Tensor:
        """One view of each sample: (B, C, *spatial) of any dtype to (B, C, size, ...) float32, normalised."""
        return self.many(stored, 1, size, crop_scale, generator)

    def many(
        self,
        stored: Tensor,
        n: int,
        size: int | Sequence[int],
        crop_scale: Range,
        generator: Generator,
        overlap: float = 0.0,
        partners: Tensor | None = None,
        measured: tuple[Tensor | None, Tensor | None] = (None, None),
        whole: tuple[Tensor | None, Tensor | None] = (None, None),
    ) -> Tensor:
        """`n` views of each sample, view-major: (n * B, C, size, ...); the first B rows are view 0 of every sample.

        `overlap`: what each crop shares with the first, at least, of the smaller of the two. `partners`: as `stored`, other images of the
        same; every second view comes from them. `measured`: where these and the partners are measured,
        (B, *spatial) bool each, None: everywhere. `whole`: (B, C, 2) stored numbers with the mean and standard deviation of the images that
        these are parts of, None: these are whole.
        """
        return torch.cat([view.normal for view in self.each(stored, n, size, crop_scale, generator, overlap, partners, measured, whole)])

    def each(
        self,
        stored: Tensor,
        n: int,
        size: int | Sequence[int],
        crop_scale: Range,
        generator: Generator,
        overlap: float = 0.0,
        partners: Tensor | None = None,
        measured: tuple[Tensor | None, Tensor | None] = (None, None),
        whole: tuple[Tensor | None, Tensor | None] = (None, None),
    ) -> Iterator[Drawn]:
        """The views that `many` puts together, one after the other, and what they were before they were normalised."""
        physical, crop = self.physical(stored), ResizedCrop(size, crop_scale, self.augmentation.ratio)
        sources = (physical, physical if partners is None else self.physical(partners))
        masks = (measured[0], measured[partners is not None])
        told = (whole[0], whole[partners is not None])
        normalise = [
            self.normalise.of(source, mask) if parts is None else self.normalise.of(self.physical(parts))
            for source, mask, parts in zip(sources, masks, told, strict=True)
        ]
        first = crop.draw(len(physical), generator)
        yield self._view(crop.apply(physical, first), _cropped(crop, masks[0], first), normalise[0], generator)
        for number in range(1, n):
            where = crop.draw_near(first, overlap, generator) if overlap else crop.draw(len(physical), generator)
            mask = _cropped(crop, masks[number % 2], where)
            yield self._view(crop.apply(sources[number % 2], where), mask, normalise[number % 2], generator)

    def physical(self, stored: Tensor) -> Tensor:
        """Stored numbers (B, C, *spatial) in physical units, float32."""
        x = stored.to(torch.float32)
        return torch.addcmul(per_channel(self.offset, x), x, per_channel(self.scale, x))

    def _view(self, x: Tensor, mask: Tensor | None, normalise: Normalise, generator: Generator) -> Drawn:
        """`mask`: (B, 1, *spatial) float, 1 where measured; it goes through geometry as the image does."""
        if mask is None:
            for op in (*self.geometry, *self.physics):
                x = op(x, generator)
            normal = normalise.in_one_pass(x)
            for op in self.late:
                normal = op(normal, generator)
            return Drawn(x, normal, None)
        for op in self.augmentation.geometry:
            params = op.draw(len(x), generator)
            x, mask = op.apply(x, params), op.apply(mask, params)
        measured = mask[:, 0] > 0.5
        for op in self.augmentation.physics:
            x = op.apply_measured(x, op.draw(len(x), generator), measured)
        normal = normalise.in_one_pass(x)
        for op in self.augmentation.late:
            normal = op.apply_measured(normal, op.draw(len(x), generator), measured)
        return Drawn(x, normal * measured[:, None], measured)


def _cropped(crop: ResizedCrop, measured: Tensor | None, where: Any) -> Tensor | None:
    return None if measured is None else crop.apply(measured[:, None].float(), where)
