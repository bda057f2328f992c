"""A head as one module from stored pixels to its answer: what other runtimes are given. Built of the head's own parts."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from labelfree.deploy.exports.resizing import Resize
from labelfree.deploy.loaded_head import LoadedHead, VectorHead
from labelfree.deploy.tile_heads import TilesHead
from labelfree.domain import sides
from labelfree.errors import DataError
from labelfree.transfer.encoders import Concatenated, Encoder, NetworkEncoder, StatisticsEncoder
from labelfree.transfer.network_inputs import NetworkInput, OfStored
from labelfree.transfer.tiles.features import input_size
from labelfree.transfer.tiles.pooled import POOLED, PooledTiles

PIXELS, WHOLE, KNOWN, THRESHOLD, SO_FAR, TILES = "pixels", "whole", "known", "threshold", "so_far", "tiles"  # names of inputs


class Program(nn.Module):
    """What a head says of stored numbers (B, C, H, W) float32, channels in the order of its card, every pixel measured.

    `kind`: how a script asks it. `outputs`: names of what it gives. `moves`: whether H and W may be any; else they are `shape`.
    `decisions`: what a trial compares one by one. `batched`: whether B may be any; else it is 1. `by_image`: whether it is also given
    `whole` (B, C, 1, 2), of the image that a tile is a part of two pixels with its mean and standard deviation.
    """

    kind: str
    decisions = "decisions"
    outputs: tuple[str, ...]
    moves: bool
    batched: bool = True
    by_image: bool = False
    scale: Tensor
    offset: Tensor

    def __init__(self, head: LoadedHead[Any]) -> None:
        super().__init__()
        images = head.card.images
        if images.dims != 2:
            raise DataError(f"{head.path}: reads volumes, and only heads of pictures are exported; use `labelfree predict`.")
        self.shape: tuple[int, ...] = tuple(head.card.shape)
        self.threshold: float | None = None
        for name, numbers in (("scale", images.scale), ("offset", images.offset)):
            self.register_buffer(name, torch.tensor(numbers, dtype=torch.float32).view(1, -1, 1, 1))

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of what it is given, in order."""
        there = {PIXELS: True, WHOLE: self.by_image, THRESHOLD: self.threshold is not None}
        return tuple(name for name, asked in there.items() if asked)

    def example(self) -> tuple[Tensor, ...]:
        """Inputs of two images to trace it with: no length is 1, and none equals another where they may differ."""
        height, width = self.shape
        pixels = torch.rand(1 + self.batched, self.scale.shape[1], height + self.moves, width)
        more = [torch.rand(len(pixels), pixels.shape[1], 1, 2)] if self.by_image else []
        return (pixels, *more) if self.threshold is None else (pixels, *more, torch.tensor(self.threshold))

    @property
    def default(self) -> float | None:
        """Of the input `threshold`, where the graph has one."""
        return self.threshold

    def finish(self, graph: Any) -> None:
        """Add nodes of ONNX to what was captured."""

    def physical(self, pixels: Tensor) -> Tensor:
        return pixels * self.scale + self.offset


class VectorProgram(Program):
    """`scores` (B, K) of images of any size, and where there are classes those `called`, as `Task.call` says it.

    With a threshold that is a second input: the class it is of is called from that score on, else the best of the others.
    """

    kind, moves = "images", True
    of_alarm: Tensor

    def __init__(self, head: VectorHead) -> None:
        super().__init__(head)
        longest = head.size
        self.parts = nn.ModuleList(part_of(each, lambda shown: sides(shown.sized(longest), 2)) for each in parts(head))
        self.head = deepcopy(head.head).cpu()
        self.threshold = None if head.card.threshold is None else in_single(head.card.threshold)
        self.call = head.task.call
        self.alarm = head.classes.index(head.card.alarm) if self.threshold is not None else 0
        self.register_buffer("of_alarm", torch.arange(max(1, len(head.classes))) == self.alarm, persistent=False)
        self.classes = bool(head.classes)
        self.outputs = ("scores", "called") if head.classes else ("scores",)

    def forward(self, pixels: Tensor, threshold: Tensor | None = None) -> tuple[Tensor, ...]:
        physical = self.physical(pixels)
        return self.said(torch.cat([part.embed(physical) for part in self.parts], 1), threshold)  # type: ignore[operator]

    def said(self, features: Tensor, threshold: Tensor | None = None) -> tuple[Tensor, ...]:
        """Of features (B, D): scores, and where there are classes those that are called."""
        scores: Tensor = self.head(features)
        if not self.classes:
            return (scores,)
        if threshold is None:
            return scores, self.call(scores)
        others = torch.where(self.of_alarm, -1.0, scores).argmax(1)
        return scores, torch.where(scores[:, self.alarm] >= threshold, self.alarm, others)


class PooledProgram(VectorProgram):
    """The same of an image that is looked at in tiles, some in each call: `pixels` (B, C, H, W) are tiles, `tiles` how many the image has
    in all, `so_far` (2, D) what the call before gave last: sums of features, and the largest; at first 0 and -inf. What the last call says
    is of all tiles.
    """

    kind, moves = "pooled", False

    def __init__(self, head: VectorHead, tile: int) -> None:
        super().__init__(head)
        self.shape, self.by_image = (tile, tile), head.encoder.by_image
        size = sides(input_size(self.shape, head.size), 2)
        self.parts = nn.ModuleList(part_of(each, lambda _: size) for each in parts(head))
        self.widths = list(head.encoder.blocks[::POOLED])
        self.outputs = (*self.outputs, "pooled")

    @property
    def inputs(self) -> tuple[str, ...]:
        return (PIXELS, SO_FAR, TILES, *super().inputs[1:])

    def example(self) -> tuple[Tensor, ...]:
        pixels, *more = super().example()
        return (pixels, torch.zeros(POOLED, sum(self.widths)), torch.tensor(float(len(pixels))), *more)

    def forward(  # type: ignore[override]
        self, pixels: Tensor, so_far: Tensor, tiles: Tensor, first: Tensor | None = None, second: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        whole, threshold = (first, second) if self.by_image else (None, first)
        physical, known = self.physical(pixels), None if whole is None else self.physical(whole)
        told = torch.cat([part.embed(physical, known) for part in self.parts], 1)  # type: ignore[operator]
        pooled = torch.stack([so_far[0] + told.sum(0), torch.maximum(so_far[1], told.amax(0))])
        features = torch.stack([pooled[1], pooled[1] - pooled[0] / tiles]).split(self.widths, 1)
        return (*self.said(torch.cat([part.flatten() for part in features])[None], threshold), pooled)


def in_single(threshold: float) -> float:
    """The least number of single precision that is not below it: a score of single precision reaches both, or neither."""
    near = np.float32(threshold)
    return float(near if float(near) >= threshold else np.nextafter(near, np.float32(np.inf)))


class TileProgram(Program):
    """Of tiles of one size: how they join is left to who calls it."""

    moves = False

    def __init__(self, head: TilesHead[Any]) -> None:
        super().__init__(head)
        self.by_image = head.encoder.by_image
        size = sides(input_size(self.shape, head.size), 2)
        self.parts = nn.ModuleList(part_of(each, lambda _: size) for each in parts(head))
        self.head: Any = deepcopy(head.head).cpu()

    def levels(self, pixels: Tensor, whole: Tensor | None = None) -> list[Tensor]:
        """Finest first."""
        physical, known = self.physical(pixels), None if whole is None else self.physical(whole)
        found = [level for part in self.parts for level in part.levels(physical, known)]  # type: ignore[operator]
        return sorted(found, key=lambda level: -level.shape[2] * level.shape[3])


class MapProgram(TileProgram):
    """`shares` (B, K, H, W) of the classes."""

    kind, outputs, decisions = "maps", ("shares",), "pixels"

    def forward(self, pixels: Tensor, whole: Tensor | None = None) -> tuple[Tensor, ...]:
        return (self.head(self.levels(pixels, whole), self.shape).softmax(1),)


class NetworkPart(nn.Module):
    """A network, and what it is shown of physical numbers, at one `size`."""

    centre: Tensor

    def __init__(self, encoder: NetworkEncoder, size: tuple[int, ...]) -> None:
        super().__init__()
        assert isinstance(encoder.prepare, OfStored)
        self.shown = encoder.prepare.shown
        self.normalise = self.shown.normalise
        self.resize = Resize((size[0], size[1]), self.shown.interpolation)
        self.backbone: Any = at_one_size(deepcopy(encoder.network).cpu(), size)
        order = self.shown.order or ()
        lacking = [at for at, source in enumerate(order) if source is None]
        known = iter(range(-len(lacking), 0))  # behind the channels that there are
        self.order = [next(known) if source is None else source for source in order]
        centre = self.normalise.centre(len(order)) if lacking else ()
        self.register_buffer("centre", torch.tensor([centre[at] for at in lacking]).view(1, -1, 1, 1), persistent=False)

    def input(self, physical: Tensor, whole: Tensor | None = None) -> Tensor:
        """As `network_inputs.NetworkInput`, in operations that a graph can hold."""
        seen = self.seen(physical)
        by = self.normalise.of(seen if whole is None or not self.normalise.by_image else self.seen(whole))
        normal: Tensor = by(self.resize(seen))
        return normal

    def seen(self, physical: Tensor) -> Tensor:
        """The channels chosen, or a picture."""
        if self.shown.render is not None:
            shown = self.shown.render(physical, None)
            assert shown is not None
            return shown
        if self.centre.shape[1]:
            absent = self.centre.expand(physical.shape[0], -1, physical.shape[2], physical.shape[3])
            return torch.cat([physical, absent], 1)[:, self.order]
        return physical[:, self.order] if self.order else physical

    def embed(self, physical: Tensor, whole: Tensor | None = None) -> Tensor:
        vectors: Tensor = self.backbone.embed(self.input(physical, whole))
        return vectors

    def levels(self, physical: Tensor, whole: Tensor | None = None) -> list[Tensor]:
        found: list[Tensor] = self.backbone.pyramid(self.input(physical, whole))
        return found


class StatisticsPart(nn.Module):
    """Plain numbers of physical pixels."""

    def __init__(self, encoder: StatisticsEncoder, size: tuple[int, ...]) -> None:
        super().__init__()
        self.encoder = encoder

    def embed(self, physical: Tensor, whole: Tensor | None = None) -> Tensor:
        return self.encoder.embed(physical)

    def levels(self, physical: Tensor, whole: Tensor | None = None) -> list[Tensor]:
        return self.encoder.maps(physical, None)


PARTS: dict[type, Callable[[Any, tuple[int, ...]], nn.Module]] = {NetworkEncoder: NetworkPart, StatisticsEncoder: StatisticsPart}


def parts(head: LoadedHead[Any]) -> tuple[Encoder, ...]:
    """What stands side by side in a head's encoder; of one that pools tiles what looks at each of them."""
    found = head.encoder.parts if isinstance(head.encoder, Concatenated) else (head.encoder,)
    return tuple(part.encoder if isinstance(part, PooledTiles) else part for part in found)


def part_of(encoder: Any, size: Callable[[NetworkInput], tuple[int, ...]]) -> nn.Module:
    """A part as a module. `size`: of what a network is given."""
    shown = getattr(getattr(encoder, "prepare", None), "shown", None)
    return PARTS[type(encoder)](encoder, size(shown) if isinstance(shown, NetworkInput) else ())


def at_one_size(backbone: Any, size: tuple[int, ...]) -> Any:
    """A ViT whose positions are resampled once for images of `size`, where it would do so at every image."""
    if backbone.transformer and hasattr(backbone.net, "set_input_size"):
        patch = backbone.net.patch_embed.patch_size
        padded = tuple(-(-length // side) * side for length, side in zip(size, patch, strict=True))
        backbone.net.set_input_size(img_size=padded)
    return backbone
