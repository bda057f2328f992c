"""The encoder of a head, made anew of what its file keeps: the same classes that a comparison uses, on physical numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from labelfree.backbones import Backbone, build
from labelfree.deploy.head_card import HeadCard
from labelfree.domain import Derives, Domain
from labelfree.errors import DataError, RecipeError
from labelfree.transfer.encoders import Concatenated, Encoder, NetworkEncoder, StatisticsEncoder
from labelfree.transfer.network_inputs import OfStored, Rendered, input_of
from labelfree.transfer.tiles.pooled import in_tiles

Tensors = Mapping[str, Tensor]


def encoder_of(card: HeadCard, domain: Domain, tensors: Sequence[Tensors]) -> Encoder:
    """The encoder that `card` tells of, `tensors` of each of its parts. It is given physical numbers of the card's channels, in its order.

    Raises DataError where the network cannot be made here, or its tensors do not all fit.
    """
    known = zip(card.parts, tensors, strict=True)
    parts = [in_tiles(MAKERS[told["kind"]](told, card, domain, state), told.get("tile")) for told, state in known]
    return parts[0] if len(parts) == 1 else Concatenated(card.arm, parts)


def _statistics(told: Mapping[str, Any], card: HeadCard, domain: Domain, tensors: Tensors) -> Encoder:
    derive = partial(domain.derived, channels=card.images.known, unit=card.images.unit) if isinstance(domain, Derives) else None
    return StatisticsEncoder(len(card.images.channels), derive if told["derived"] else None, told["derived"])


def _network(told: Mapping[str, Any], card: HeadCard, domain: Domain, tensors: Tensors) -> Encoder:
    images, channels = card.images, len(card.images.channels)
    shown = input_of(told["input"], Rendered(domain, images.known, images.unit))
    backbone = _backbone(told, tensors)
    size = images.size if isinstance(images.size, int) else max(images.size)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    reads = OfStored((1.0,) * channels, (0.0,) * channels, shown)
    return NetworkEncoder(card.arm, backbone, reads, (size,), images.seed, name=backbone.name, device=device)


def _backbone(told: Mapping[str, Any], tensors: Tensors) -> Backbone:
    name = told["architecture"]
    try:
        backbone = build(name, told["channels"], dims=told["dims"], options=dict(told["options"]))
        backbone.net.load_state_dict(dict(tensors))
    except (RecipeError, RuntimeError) as error:
        raise DataError(f"the head's network, {name}, cannot be made here: {str(error).splitlines()[0]}") from error
    return backbone.to(memory_format=torch.channels_last) if backbone.dims == 2 else backbone  # type: ignore[call-overload, no-any-return]


MAKERS: dict[str, Callable[[Mapping[str, Any], HeadCard, Domain, Tensors], Encoder]] = {
    "statistics": _statistics,
    "network": _network,
}
