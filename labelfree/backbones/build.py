"""One factory for every backbone: a name, any channel count, started at random, from ImageNet or from a file."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from labelfree.backbones.base import Backbone
from labelfree.backbones.imagenet import RGB, load_fitted
from labelfree.backbones.registry import family_of
from labelfree.domain import Channel
from labelfree.errors import DataError
from labelfree.weight_names import weight_file

WRAPPERS = (
    "state_dict",
    "model",
    "teacher",
    "model_state_dict",
    "network_weights",
    "net",
)  # keys under which training scripts keep a network

Match = Callable[[tuple[str, ...]], Sequence[int | None]]


def build(
    name: str,
    channels: int,
    *,
    dims: int | None = None,
    init: str | Path = "random",
    match: Match | None = None,
    options: dict[str, Any] | None = None,
) -> Backbone:
    """A backbone for `channels` input channels and `dims` spatial axes (None: what the network takes).

    `name`: one that a family of `registry` knows, such as timm's, or `module:factory`. `init`: "random"; "imagenet", what is published for
    this name; a `.safetensors`/`.pth` file of this network; or a name whose published weights fit it. `match`: tells of each channel
    where it stands among those that weights were trained on, given their names, None for one that they do not know; the stem is fitted
    by `imagenet.fit_stem`. Without it equal numbers are taken as they stand.
    Raises RecipeError for an unknown name or option, DataError when a file's tensors do not all fit.
    """
    family = family_of(name)
    backbone = family.make(name, channels, dims, options or {})
    if init == "random":
        return backbone
    file = init if isinstance(init, Path) else weight_file(init)
    if file is None:
        source = name if init == "imagenet" else str(init)
        state, where = family_of(source).published(source, options or {}), f"published weights of {source}"
    else:
        where = str(file)
        state = _own_names(backbone, read_state(file), where)
    stem = state.get(backbone.stem) if backbone.stem else None
    wide = channels if stem is None else stem.shape[1]
    known = RGB if file is None else _known_channels(file, wide)
    if known is None and wide != channels:
        raise DataError(f"{where}: knows {wide} channels, these images have {channels}, and no .json beside it says which are which.")
    as_they_stand = range(channels) if wide == channels else [None] * channels
    try:
        load_fitted(backbone, state, match(known) if match and known else as_they_stand, where)
    except DataError as error:
        raise DataError(f"{error}{_made_for(file, name)}") from error
    return backbone


def _made_for(file: Path | None, name: str) -> str:
    """What network the card of a weight file tells of, where it is another one than the recipe names."""
    card = None if file is None else file.with_suffix(".json")
    if card is None or not card.is_file():
        return ""
    told = str(json.loads(card.read_text(encoding="utf-8")).get("architecture", name))
    return "" if told == name else f" Its card says that it is of backbone.name={told}."


def _own_names(backbone: Backbone, state: dict[str, Tensor], where: str) -> dict[str, Tensor]:
    try:
        return backbone.own_names(state)
    except DataError as error:
        raise DataError(f"{where}: {error}") from error


def _known_channels(path: Path, wide: int) -> tuple[str, ...] | None:
    """What the `wide` channels of a weight file are: its card says so; three are taken for colours."""
    card = path.with_suffix(".json")
    if card.is_file():
        told = json.loads(card.read_text(encoding="utf-8"))
        count = len(told["channels"])
        return tuple(map(Channel, told["channels"], told.get("roles") or [""] * count, told.get("nm") or [None] * count))
    return RGB if wide == len(RGB) else None


def read_state(path: Path) -> dict[str, Tensor]:
    """A state dict from a safetensors file or a pickle that holds tensors only; classifier weights are dropped."""
    state = _opened(path)
    for wrapper in WRAPPERS:
        state = state[wrapper] if isinstance(state, dict) and isinstance(state.get(wrapper), dict) else state
    if not isinstance(state, dict) or not state or not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items()):
        raise DataError(f"{path}: holds no state dict (names and tensors); save the network with torch.save(net.state_dict(), …).")
    classifier = ("classifier.", "head.fc.", "fc.")
    return {k: v for k, v in state.items() if not k.startswith(classifier) and k not in ("head.weight", "head.bias")}


def told_beside(path: Path) -> dict[str, Any]:
    """What a weight file holds besides its network: epochs, plans, and whatever else training scripts keep."""
    held = _opened(path)
    return {} if not isinstance(held, dict) else {k: v for k, v in held.items() if k not in WRAPPERS and not isinstance(v, Tensor)}


def _opened(path: Path) -> Any:
    if not path.is_file():
        raise DataError(f"{path}: no such weight file.")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        kind = type(error).__name__
        raise DataError(f"{path}: not a readable weight file ({kind}); expected safetensors or a PyTorch state dict.") from error
