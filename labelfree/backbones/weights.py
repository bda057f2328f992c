"""Weight files that explain themselves: plain timm tensors in safetensors, everything else in a card beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from labelfree.backbones.base import BILINEAR, Backbone
from labelfree.backbones.build import build
from labelfree.backbones.weight_card import WeightCard, card_beside, scale_fault
from labelfree.data.measured_pixels import finite
from labelfree.data.pool import kind_of
from labelfree.data.scales import Stored
from labelfree.device_copies import copied_to
from labelfree.domain import Sample, Size, sides
from labelfree.errors import DataError, RecipeError
from labelfree.installed_domains import key_for
from labelfree.training.files import call_with, write_json
from labelfree.views.normalise import Normalise
from labelfree.weight_names import RUN_FILE, backbone_file

__all__ = [
    "PIXELS", "RUN_FILE", "LoadedBackbone", "PatchTokens", "accepted", "backbone_file", "card_of", "load", "network_input",
    "require_scale", "resize", "save",
]  # fmt: skip

Images = Sample | Tensor | Sequence[Sample] | Iterable[Sample]
PIXELS = 64 * 128 * 128  # of the images that pass through the network together


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
    card = card_of(path)
    try:
        backbone = build(card.architecture, len(card.channels), dims=card.dims, init=path, options=card.options)
    except RecipeError as error:
        raise DataError(f"{path}: the network that its card names cannot be made here. {error}") from error
    return LoadedBackbone(backbone, card)


def card_of(path: Path) -> WeightCard:
    """What a weight file says of itself. Raises DataError when the file or its sidecar is missing."""
    if not path.is_file():
        raise DataError(f"{path}: no such weight file.")
    card = card_beside(path)
    if card is None:
        missing = path.with_suffix(".json").name
        raise DataError(f"{path}: {missing} is missing beside it; it says which channels and normalisation the weights want.")
    return card


@dataclass(frozen=True)
class PatchTokens:
    """What a network says of the places of images: `tokens` (N, places, D), row by row over `grid`, and what it says of each image as a
    whole, `pooled` (N, its width). Class and register tokens are not among them.
    """

    tokens: Tensor
    grid: tuple[int, ...]
    pooled: Tensor


class LoadedBackbone:
    """A backbone that knows its channels, unit and normalisation, and refuses others with a sentence. It works on the GPU where there is
    one, and answers on the host.
    """

    def __init__(self, backbone: Backbone, card: WeightCard) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.backbone = backbone.eval().requires_grad_(False)
        self.card = card

    @property
    def dim(self) -> int:
        """Width of an embedding."""
        return self.backbone.dim

    @torch.inference_mode()
    def embed(self, images: Images, size: Size | None = None) -> Tensor:
        """Embeddings (N, dim) of one sample, several samples, or a tensor (N, C, *spatial) already in the card's channels and unit.

        `size`: input side in pixels, or one an axis, default the card's. No images give no rows. Raises DataError for other channels.
        """
        self.backbone.to(self.device)  # once: it stays there
        return torch.cat([torch.empty(0, self.dim), *self._passes(self._inputs(images, size), self.backbone.embed)])

    @torch.no_grad()
    def tokens(self, images: Images, layer: int | None = None, size: Size | None = None) -> PatchTokens:
        """Patch tokens of images, given as to `embed`, at least one: a network as the vision tower of a language model.

        `layer`: None: the last, as the network leaves it. A number: the hidden states of that layer (`Backbone.hidden_states`), from 0 on
        or from -1 backwards. Raises DataError for other channels, for a network without tokens, and for a layer that it has not.
        """
        self.backbone.to(self.device)

        def both(x: Tensor) -> Tensor:
            """(B, D + width of `pooled`, *grid): one tensor, as passes take it."""
            seen = self.backbone(x)
            found = seen.tokens if layer is None else self._layer(x, layer)
            if found is None:
                raise DataError(f"{self.card.architecture}: tells nothing of places, one vector an image alone; take a ViT or a CNN.")
            pooled = seen.pooled.view(*seen.pooled.shape, *(1,) * (found.ndim - 2)).expand(-1, -1, *found.shape[2:])
            return torch.cat([found, pooled], 1)

        passes = list(self._passes(self._inputs(images, size), both))
        if not passes:
            raise DataError("tokens: no images were given; give one at least.")
        joined = torch.cat(passes)
        tokens, pooled = joined.split([joined.shape[1] - self.dim, self.dim], 1)
        return PatchTokens(tokens.flatten(2).transpose(1, 2).contiguous(), tuple(tokens.shape[2:]), pooled.flatten(2)[..., 0].contiguous())

    def _layer(self, x: Tensor, layer: int) -> Tensor:
        try:
            return self.backbone.hidden_states(x, layer)
        except IndexError:
            raise DataError(f"{self.card.architecture}: has no layer {layer}; layers count from 0 on, or from -1 backwards.") from None
        except RecipeError as error:
            raise DataError(f"{self.card.architecture}: tells no layers apart ({error})") from error

    def _inputs(self, images: Images, size: Size | None) -> Iterator[Tensor]:
        """Each image as the network wants it, (1, C, *size)."""
        if isinstance(images, Tensor):
            if images.ndim != 2 + self.card.dims or images.shape[1] != len(self.card.channels):
                axes = "H, W" if self.card.dims == 2 else "D, H, W"
                wanted = f"(N, {len(self.card.channels)}, {axes}), channels {', '.join(self.card.channels)}"
                raise DataError(f"a tensor of shape {tuple(images.shape)}: these weights want {wanted}.")
            if len(images):
                count = images.shape[1]
                stored = Stored(str(images.dtype).removeprefix("torch."), (1.0,) * count, (0.0,) * count)
                require_scale(self.card, "a tensor", stored, images.transpose(0, 1).flatten(1).abs().amax(1).tolist())
            return (self._input(image.float(), size) for image in images.split(1) if len(image))
        samples = map(finite, [images] if isinstance(images, Sample) else images)
        return (self._input(self.accept(sample)[None], size, sample.measured) for sample in samples)

    def accept(self, sample: Sample) -> Tensor:
        """The sample's physical values (C, *spatial) with the card's channels in the card's order, or DataError."""
        return accepted(self.card, sample)

    def _input(self, physical: Tensor, size: Size | None, measured: Tensor | None = None) -> Tensor:
        there = copied_to(physical, self.device)
        known = None if measured is None else copied_to(measured[None], self.device)
        return network_input(there, self.card.normalise, size or self.card.size, known)

    def _passes(self, inputs: Iterable[Tensor], say: Callable[[Tensor], Tensor]) -> Iterator[Tensor]:
        """What `say` gives of inputs (1, C, *size) of one size, as many a pass as PIXELS hold: any number goes through bounded memory."""
        waiting = list[Tensor]()
        for image in inputs:
            waiting.append(image)
            if (len(waiting) + 1) * image[0, 0].numel() > PIXELS:
                yield say(torch.cat(waiting)).float().cpu()
                waiting.clear()
        if waiting:
            yield say(torch.cat(waiting)).float().cpu()


def accepted(card: WeightCard, sample: Sample, who: str = "these weights") -> Tensor:
    """The sample's physical values (C, *spatial) with the channels of `card` in its order. `who` wants them, in sentences.

    Raises DataError for other channels, axes, units and scales, and for an image without a measurement.
    """
    where, sample = sample.source or "this image", sample.with_one_scale()
    want = "wants" if who.startswith("this") else "want"
    if sample.empty == 1:
        key = key_for("gaps", card.domain)
        raise DataError(f"{where}: none of its pixels holds a measurement; leave it out, or correct what {key} says.")
    if sample.data.ndim - 1 != card.dims:
        raise DataError(f"{where}: has {sample.data.ndim - 1} spatial axes, {who} {want} {card.dims}.")
    lacking = [c for c in card.channels if c not in sample.channels]
    if lacking:
        raise DataError(
            f"{where}: has {_channels(len(sample.channels))} ({', '.join(sample.channels)}), {who} {want} "
            f"{len(card.channels)}; missing {', '.join(lacking)}. Name the file's channels with {key_for('channels', card.domain)}."
        )
    if sample.unit != card.unit:
        key = key_for("scale", card.domain)
        raise DataError(f"{where}: values are {sample.unit}, {who} {want} {card.unit}; say what the file holds with {key}.")
    physical = sample.physical()[[sample.channels.index(c) for c in card.channels]]
    require_scale(card, where, kind_of(sample).stored, physical.flatten(1).abs().amax(1).tolist())
    return physical


def _channels(count: int) -> str:
    return f"{count} channel{'' if count == 1 else 's'}"


def require_scale(card: WeightCard, where: str, stored: Stored, most: Sequence[float]) -> None:
    """Raises DataError where numbers stored so, `most` the largest of each channel, are on another scale than the card's images."""
    if fault := scale_fault(card, stored, most):
        raise DataError(f"{where}: {fault}; say what the file holds with {key_for('scale', card.domain)}.")


def network_input(
    physical: Tensor, normalise: Normalise, size: Size, measured: Tensor | None = None, interpolation: str = BILINEAR
) -> Tensor:
    """Physical (B, C, *spatial), `measured` (B, *spatial) bool, None: everywhere, resized to `size` and normalised."""
    normal: Tensor = normalise.of(physical, measured)(resize(physical, sides(size, physical.ndim - 2), interpolation))
    return normal.contiguous(memory_format=torch.channels_last) if normal.ndim == 4 else normal


def resize(x: Tensor, shape: tuple[int, ...], interpolation: str = BILINEAR) -> Tensor:
    """(B, C, *spatial) to (B, C, *shape), linear along each axis, antialiased when it shrinks. Volumes: their planes, then across them.

    `interpolation`: of pictures, "bilinear" or "bicubic".
    """
    before = tuple(x.shape[2:])
    if before == shape:
        return x
    if len(shape) == 2:
        shrinks = all(new < old for new, old in zip(shape, before, strict=True))
        return F.interpolate(x, size=shape, mode=interpolation, align_corners=False, antialias=shrinks)
    depth, height, width = shape
    planes = _bilinear(x.flatten(1, 2), (height, width)).unflatten(1, x.shape[1:3])
    return _bilinear(planes.flatten(3), (depth, height * width)).unflatten(3, (height, width))


def _bilinear(x: Tensor, shape: tuple[int, int]) -> Tensor:
    """(B, C, H, W) to (B, C, *shape), antialiased along each axis that shrinks; the other ones are not changed by that."""
    shrinks = shape[0] < x.shape[2] or shape[1] < x.shape[3]
    return F.interpolate(x, size=shape, mode="bilinear", align_corners=False, antialias=shrinks)
