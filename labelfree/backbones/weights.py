"""Weight files that explain themselves: plain timm tensors in safetensors, everything else in a JSON beside them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from labelfree.backbones.base import Backbone
from labelfree.backbones.build import build
from labelfree.data.pool import kind_of
from labelfree.data.scales import Stored, same_scale
from labelfree.domain import Channel, Sample, Size, sides
from labelfree.errors import DataError
from labelfree.training.files import call_with, read_json, write_json

FORMAT = 1


@dataclass(frozen=True)
class WeightCard:
    """All that is needed to use a weight file right.

    `reader`: the settings of `domain` (bands, sensor, unit) that read its images. `roles`, `nm`: what each channel shows, empty where not
    told. `dtype`, `low`, `high`: how the images were stored, and the smallest and the largest value of each channel, in `unit`.
    Input: channels in this order, in `unit` (stored * scale + offset), then (x - mean) / std, resized to `size` pixels a side, or
    one number an axis. `dims`: spatial axes.
    """

    architecture: str
    channels: tuple[str, ...]
    unit: str
    scale: tuple[float, ...]
    offset: tuple[float, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    size: Size
    pooling: str = "the architecture's own"
    options: dict[str, Any] = field(default_factory=dict)
    domain: str = ""
    reader: dict[str, Any] = field(default_factory=dict)
    arm: str = ""
    init: str = ""
    objective: str = ""
    steps: int = 0
    seed: int = 0
    recipe: str = ""
    data: str = ""
    licence: str = ""
    roles: tuple[str, ...] = ()
    nm: tuple[float | None, ...] = ()
    dtype: str = ""
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    dims: int = 2
    format: int = FORMAT

    @property
    def known(self) -> tuple[Channel, ...]:
        """The channels, with what they show where the card tells."""
        told = zip(self.channels, self.roles, self.nm, strict=True) if self.roles else ((name, "", None) for name in self.channels)
        return tuple(Channel(*channel) for channel in told)

    @property
    def largest(self) -> tuple[float, ...]:
        """The largest value, without sign, of each channel that these weights were taught by, in `unit`; by mean and spread where the card
        is silent.
        """
        if self.low and self.high:
            return tuple(max(abs(low), abs(high)) for low, high in zip(self.low, self.high, strict=True))
        return tuple(abs(mean) + 6 * std for mean, std in zip(self.mean, self.std, strict=True))


def save(backbone: Backbone, card: WeightCard, path: Path) -> Path:
    """Write `path` (.safetensors) and its sidecar (.json)."""
    from safetensors.torch import save_file

    state = {k: v.detach().cpu().contiguous() for k, v in backbone.net.state_dict().items()}
    call_with(path, lambda part: save_file(state, part, metadata={"format": "pt"}))
    write_json(path.with_suffix(".json"), asdict(card))
    return path


def load(path: str | Path) -> LoadedBackbone:
    """A saved backbone with its preprocessing. Raises DataError when the file or its sidecar is missing or does not fit."""
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: no such weight file.")
    card = card_beside(path)
    if card is None:
        missing = path.with_suffix(".json").name
        raise DataError(f"{path}: {missing} is missing beside it; it says which channels and normalisation the weights want.")
    backbone = build(card.architecture, len(card.channels), dims=card.dims, init=path, options=card.options)
    return LoadedBackbone(backbone, card)


def card_beside(path: Path) -> WeightCard | None:
    """The card of a weight file; None where it has none. Raises DataError for one that cannot be read."""
    sidecar = path.with_suffix(".json")
    if not sidecar.is_file():
        return None
    try:
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in read_json(sidecar).items()}
        return WeightCard(**fields)
    except (TypeError, ValueError) as error:
        raise DataError(f"{sidecar}: not a weight card that this version reads ({error}).") from error


class LoadedBackbone:
    """A backbone that knows its channels, unit and normalisation, and refuses others with a sentence."""

    def __init__(self, backbone: Backbone, card: WeightCard) -> None:
        self.backbone = backbone.eval().requires_grad_(False)
        self.card = card

    @property
    def dim(self) -> int:
        """Width of an embedding."""
        return self.backbone.dim

    @torch.inference_mode()
    def embed(self, images: Sample | Tensor | Sequence[Sample] | Iterable[Sample], size: Size | None = None) -> Tensor:
        """Embeddings (N, dim) of one sample, several samples, or a tensor (N, C, *spatial) already in the card's channels and unit.

        `size`: input side in pixels, or one an axis, default the card's.
        No images give no rows. Raises DataError when bands or units are not the card's.
        """
        if isinstance(images, Tensor):
            if images.ndim != 2 + self.card.dims or images.shape[1] != len(self.card.channels):
                axes = "H, W" if self.card.dims == 2 else "D, H, W"
                wanted = f"(N, {len(self.card.channels)}, {axes}), channels {', '.join(self.card.channels)}"
                raise DataError(f"a tensor of shape {tuple(images.shape)}: these weights want {wanted}.")
            if not len(images):
                return torch.empty(0, self.dim)
            count = images.shape[1]
            stored = Stored(str(images.dtype).removeprefix("torch."), (1.0,) * count, (0.0,) * count)
            self._require_scale("a tensor", stored, images.transpose(0, 1).flatten(1).abs().amax(1).tolist())
            return self._embed(images.float(), size)
        samples = [images] if isinstance(images, Sample) else list(images)
        return torch.cat([torch.empty(0, self.dim), *(self._embed(self.accept(sample)[None], size) for sample in samples)])

    def accept(self, sample: Sample) -> Tensor:
        """The sample's physical values (C, *spatial) with the card's channels in the card's order, or DataError."""
        where = sample.source or "this image"
        if sample.empty == 1:
            raise DataError(f"{where}: none of its pixels holds a measurement; leave it out, or correct what data.nodata says.")
        if sample.data.ndim - 1 != self.card.dims:
            raise DataError(f"{where}: has {sample.data.ndim - 1} spatial axes, these weights want {self.card.dims}.")
        lacking = [c for c in self.card.channels if c not in sample.channels]
        if lacking:
            raise DataError(
                f"{where}: has {len(sample.channels)} bands ({', '.join(sample.channels)}), these weights want {len(self.card.channels)}; "
                f"missing {', '.join(lacking)}. Name the file's bands with bands=[...]."
            )
        if sample.unit != self.card.unit:
            raise DataError(
                f"{where}: values are {sample.unit}, these weights want {self.card.unit}; name the sensor or unit that the file holds."
            )
        physical = sample.physical()[[sample.channels.index(c) for c in self.card.channels]]
        self._require_scale(where, kind_of(sample).stored, physical.flatten(1).abs().amax(1).tolist())
        return physical

    def _require_scale(self, where: str, stored: Stored, most: Sequence[float]) -> None:
        fault = scale_fault(self.card, stored, most)
        if fault:
            raise DataError(f"{where}: {fault}; name the sensor or unit that the file holds.")

    def _embed(self, physical: Tensor, size: Size | None) -> Tensor:
        return self.backbone.embed(network_input(physical, self.card.mean, self.card.std, size or self.card.size))


def scale_fault(card: WeightCard, stored: Stored, most: Sequence[float]) -> str | None:
    """Why numbers stored so are on another scale than the card's images; None if they are not.

    `most`: the largest of each of the card's channels without sign, NaN for one that the images lack. The middle channel is judged: kelvin
    beside reflectance say nothing of it.
    """
    seen, taught = np.array(most, dtype=np.float64), np.array(card.largest)
    judged = np.flatnonzero((seen > 0) & (taught > 0))
    if not judged.size:
        return None
    middle = judged[np.argsort((seen / np.where(taught > 0, taught, 1))[judged], kind="stable")[judged.size // 2]]
    ours, theirs = float(seen[middle]), float(taught[middle])
    usual = min(theirs, abs(card.mean[middle]) + 3 * card.std[middle])  # a few saturated pixels make no image dark
    if same_scale(ours, stored, theirs, Stored(card.dtype, card.scale, card.offset), usual):
        return None
    how = f" stored as {card.dtype}" if card.dtype else ""
    shown = f"{f'{stored.dtype} ' if stored.dtype else ''}values up to {ours:,.4g} {card.unit}"
    return f"{shown} in {card.channels[middle]}, these weights were taught by values up to {theirs:,.4g}{how}"


def network_input(physical: Tensor, mean: Sequence[float], std: Sequence[float], size: Size) -> Tensor:
    """Physical (B, C, *spatial) resized to `size` and normalised."""
    resized = resize(physical, sides(size, physical.ndim - 2))
    shape = (1, -1, *(1,) * (physical.ndim - 2))
    middle = torch.tensor(mean, device=physical.device).view(shape)
    spread = torch.tensor(std, device=physical.device).view(shape)
    normal = (resized - middle) / spread
    return normal.contiguous(memory_format=torch.channels_last) if normal.ndim == 4 else normal


def resize(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """(B, C, *spatial) to (B, C, *shape), linear along each axis, antialiased when it shrinks. Volumes: their planes, then across them."""
    before = tuple(x.shape[2:])
    if before == shape:
        return x
    if len(shape) == 2:
        shrinks = all(new < old for new, old in zip(shape, before, strict=True))
        return F.interpolate(x, size=shape, mode="bilinear", align_corners=False, antialias=shrinks)
    depth, height, width = shape
    planes = _bilinear(x.flatten(1, 2), (height, width)).unflatten(1, x.shape[1:3])
    return _bilinear(planes.flatten(3), (depth, height * width)).unflatten(3, (height, width))


def _bilinear(x: Tensor, shape: tuple[int, int]) -> Tensor:
    """(B, C, H, W) to (B, C, *shape), antialiased along each axis that shrinks; the other ones are not changed by that."""
    shrinks = shape[0] < x.shape[2] or shape[1] < x.shape[3]
    return F.interpolate(x, size=shape, mode="bilinear", align_corners=False, antialias=shrinks)
