"""A view from stored numbers to the network's input, its steps in one fixed order.

Pixels without a measurement take part in no statistic and are 0 in the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn

from labelfree.errors import RecipeError
from labelfree.views.anomalies import Anomaly, anomalies
from labelfree.views.base import Range, ViewOp, per_channel
from labelfree.views.geometry import CropDraw, Geometry, ResizedCrop, unmirrored
from labelfree.views.normalise import Normalise

Both = tuple[Tensor | None, Tensor | None]  # of the images, and of those that every second view comes from


@dataclass(frozen=True)
class Augmentation:
    """The ops of a field's views.

    `geometry` runs after the crop, which the pipeline makes itself: size and scale are the recipe's.
    `physics` runs in physical units, `late` on normalised values. `global_scale`, `local_scale`: area of the crops as a share of the image.
    `overlap`: what global crops share with the first at least, of the smaller of the two, and local crops then lie inside the first: two
    views of an organ should show it both.
    `labelled`: ops that labelled tiles alone go through besides, masks and boxes with them, where a network is trained along.
    `sideways`: the axis along which left and right lie, counted from the end; None where nobody knows.
    `anomalies`: how views are altered, in turn, for objectives that ask "was it altered?"; after geometry and before physics, so that they
    stand in the light and the noise of their image.
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
    anomalies: Sequence[Anomaly] = field(default_factory=anomalies)

    def unmirrored(self) -> Augmentation:
        """The same without ops that swap left and right: none of what is flipped where nobody knows along which axis they lie."""
        return replace(self, geometry=unmirrored(self.geometry, self.sideways))


class Drawn(NamedTuple):
    """One view of each sample: (B, C, *size) in physical units, after all ops that work on these, and as it is normalised for the network
    that learns, after the late ops. `measured`: (B, *size) bool, None: everywhere. `altered`: (B, *size) bool, None: nowhere.
    """

    physical: Tensor
    normal: Tensor
    measured: Tensor | None
    altered: Tensor | None = None

    @classmethod
    def joined(cls, views: Iterable[Drawn]) -> Drawn:
        """Several views as one batch, view-major."""
        physical, normal, measured, altered = zip(*views, strict=True)
        nowhere = torch.zeros_like(normal[0][:, 0], dtype=torch.bool)
        return cls(torch.cat(physical), torch.cat(normal), _all_masks(measured, ~nowhere), _all_masks(altered, nowhere))


class _Source(NamedTuple):
    """What views are made from: images in physical units, where they are measured, and how they are normalised."""

    physical: Tensor
    measured: Tensor | None
    normalise: Normalise


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
        self.anomalies = nn.ModuleList(augmentation.anomalies)
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
        measured: Both = (None, None),
        whole: Both = (None, None),
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
        measured: Both = (None, None),
        whole: Both = (None, None),
    ) -> Iterator[Drawn]:
        """The views that `many` puts together, one after the other, and what they were before they were normalised."""
        crop = ResizedCrop(size, crop_scale, self.augmentation.ratio)
        first = crop.draw(len(stored), generator)
        sources = self._sources(stored, partners, measured, whole)
        yield from self._views(sources, crop, _beside(crop, first, n, overlap, generator), generator)

    def multi_crop(
        self,
        stored: Tensor,
        n: tuple[int, int],
        size: tuple[int | Sequence[int], int | Sequence[int]],
        generator: Generator,
        partners: Tensor | None = None,
        measured: Both = (None, None),
        whole: Both = (None, None),
        altered: bool = False,
    ) -> Iterator[Drawn]:
        """What an objective asks for: n[0] global views of each sample, then n[1] local ones, of the sizes size[0] and size[1].

        Crops are as the augmentation says, the rest as in `many`. `altered`: global views but the first are altered, each by the next of
        the augmentation's anomalies, and all say where they are. Raises RecipeError where there are not so many.
        """
        if altered and n[0] - 1 > len(self.anomalies):
            raise RecipeError(f"pretrain.options.kinds: these views can be altered in {len(self.anomalies)} ways, not in {n[0] - 1}.")
        scales, sources = self.augmentation, self._sources(stored, partners, measured, whole)
        crop = ResizedCrop(size[0], scales.global_scale, scales.ratio)
        small = ResizedCrop(size[1], scales.local_scale, scales.ratio)
        first = crop.draw(len(stored), generator)
        altering = self.augmentation.anomalies if altered else None
        yield from self._views(sources, crop, _beside(crop, first, n[0], scales.overlap, generator), generator, altering)
        places = (small.draw_inside(first, generator) if scales.overlap else small.draw(len(stored), generator) for _ in range(n[1]))
        yield from self._views(sources, small, places, generator)

    def _sources(self, stored: Tensor, partners: Tensor | None, measured: Both, whole: Both) -> tuple[_Source, _Source]:
        """The images, and what stands for them in every second view."""
        own = self._source(stored, measured[0], whole[0])
        return own, own if partners is None else self._source(partners, measured[1], whole[1])

    def _source(self, stored: Tensor, measured: Tensor | None, whole: Tensor | None) -> _Source:
        physical = self.physical(stored)
        return _Source(
            physical, measured, self.normalise.of(physical, measured) if whole is None else self.normalise.of(self.physical(whole))
        )

    def _views(
        self,
        sources: tuple[_Source, _Source],
        crop: ResizedCrop,
        places: Iterable[CropDraw],
        generator: Generator,
        altering: Sequence[Anomaly] | None = None,
    ) -> Iterator[Drawn]:
        """A view at each of `places`, which are drawn one after the other, between the draws of ops; from the two sources in turn.

        `altering`: what all but the first of them go through in turn.
        """
        for number, where in enumerate(places):
            physical, measured, normalise = sources[number % 2]
            x, mask = crop.apply(physical, where), _cropped(crop, measured, where)
            if altering is None:
                yield self._view(x, mask, normalise, generator)
            else:
                yield self._altered(x, mask, normalise, generator, altering[number - 1] if number else None)

    def physical(self, stored: Tensor) -> Tensor:
        """Stored numbers (B, C, *spatial) in physical units, float32."""
        x = stored.to(torch.float32)
        return torch.addcmul(per_channel(self.offset, x), x, per_channel(self.scale, x))

    def _view(self, x: Tensor, mask: Tensor | None, normalise: Normalise, generator: Generator) -> Drawn:
        """`mask`: (B, 1, *spatial) float, 1 where measured; it goes through geometry as the image does."""
        return self._seen(*self._placed(x, mask, generator), normalise, generator)

    def _altered(self, x: Tensor, mask: Tensor | None, normalise: Normalise, generator: Generator, op: Anomaly | None) -> Drawn:
        """As `_view`, altered by `op`; None: as it is. Where there is no measurement nothing was altered."""
        x, measured = self._placed(x, mask, generator)
        altered = torch.zeros_like(x[:, 0], dtype=torch.bool)
        if op is not None:
            params = op.draw(len(x), generator)
            altered = op.altered(params, x)
            x = op.apply(x, params) if measured is None else op.apply_measured(x, params, measured)
        drawn = self._seen(x, measured, normalise, generator)
        return drawn._replace(altered=altered if measured is None else altered & measured)

    def _placed(self, x: Tensor, mask: Tensor | None, generator: Generator) -> tuple[Tensor, Tensor | None]:
        """After geometry: the images, and where they are measured, (B, *spatial) bool."""
        for op in self.augmentation.geometry:
            params = op.draw(len(x), generator)
            x, mask = op.apply(x, params), None if mask is None else op.apply(mask, params)
        return x, None if mask is None else mask[:, 0] > 0.5

    def _seen(self, x: Tensor, measured: Tensor | None, normalise: Normalise, generator: Generator) -> Drawn:
        """After physics, normalised, and after the late ops."""
        x = _through(self.augmentation.physics, x, measured, generator)
        normal = _through(self.augmentation.late, normalise.in_one_pass(x), measured, generator)
        return Drawn(x, normal if measured is None else normal * measured[:, None], measured)


def _through(ops: Sequence[ViewOp], x: Tensor, measured: Tensor | None, generator: Generator) -> Tensor:
    for op in ops:
        params = op.draw(len(x), generator)
        x = op.apply(x, params) if measured is None else op.apply_measured(x, params, measured)
    return x


def _all_masks(masks: Sequence[Tensor | None], instead: Tensor) -> Tensor | None:
    """One mask for several batches, `instead` where one has none; None where none has."""
    return None if all(mask is None for mask in masks) else torch.cat([instead if mask is None else mask for mask in masks])


def _beside(crop: ResizedCrop, first: CropDraw, n: int, overlap: float, generator: Generator) -> Iterator[CropDraw]:
    """`n` places to crop at, the first of which is known."""
    yield first
    for _ in range(1, n):
        yield crop.draw_near(first, overlap, generator) if overlap else crop.draw(len(first.area), generator)


def _cropped(crop: ResizedCrop, measured: Tensor | None, where: CropDraw) -> Tensor | None:
    return None if measured is None else crop.apply(measured[:, None].float(), where)
