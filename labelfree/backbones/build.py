"""One factory for every 2D backbone: a timm name, any channel count, started at random, from ImageNet or from a file."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor

from labelfree.backbones.base import Backbone
from labelfree.backbones.imagenet import RGB, imagenet_state, load_fitted, stem_key
from labelfree.domain import Channel
from labelfree.errors import DataError, RecipeError

TRANSFORMERS = ("vit_", "deit", "eva")
REFUSED = {"features_only", "patch_drop_rate", "num_classes", "in_chans", "pretrained"}
WRAPPERS = ("state_dict", "model", "teacher", "model_state_dict")  # keys under which training scripts keep a network
FLEXIBLE = {"dynamic_img_size": True, "dynamic_img_pad": True}  # local crops and several input sizes, whole patches or not


Match = Callable[[tuple[str, ...]], Sequence[int | None]]


def build(
    name: str, channels: int, *, init: str | Path = "random", match: Match | None = None, options: dict[str, Any] | None = None
) -> Backbone:
    """A backbone for `channels` input channels.

    `init`: "random", "imagenet", or a `.safetensors`/`.pth` file of this timm network. `match`: tells of each channel where it stands among
    those that weights were trained on, given their names, None for one that they do not know; the stem is fitted by
    `imagenet.fit_stem`. Without it equal numbers are taken as they stand.
    Raises RecipeError for an unknown name or option, DataError when a file's tensors do not all fit.
    """
    options = {**FLEXIBLE, **(options or {})} if name.startswith(TRANSFORMERS) else dict(options or {})
    backbone = Backbone(_create(name, channels, options), name, channels, options)
    if init == "random":
        return backbone
    state = imagenet_state(name) if init == "imagenet" else read_state(Path(init))
    where = f"ImageNet weights of {name}" if init == "imagenet" else str(init)
    stem = state.get(stem_key(backbone.net))
    wide = channels if stem is None else stem.shape[1]
    known = RGB if init == "imagenet" else _known_channels(Path(init), wide)
    if known is None and wide != channels:
        raise DataError(f"{where}: knows {wide} channels, these images have {channels}, and no .json beside it says which are which.")
    as_they_stand = range(channels) if wide == channels else [None] * channels
    load_fitted(backbone.net, state, match(known) if match and known else as_they_stand, where)
    return backbone


def _known_channels(path: Path, wide: int) -> tuple[str, ...] | None:
    """What the `wide` channels of a weight file are: its card says so; three are taken for colours."""
    card = path.with_suffix(".json")
    if card.is_file():
        told = json.loads(card.read_text(encoding="utf-8"))
        count = len(told["channels"])
        return tuple(map(Channel, told["channels"], told.get("roles") or [""] * count, told.get("nm") or [None] * count))
    return RGB if wide == len(RGB) else None


def _create(name: str, channels: int, options: dict[str, Any]) -> torch.nn.Module:
    if refused := REFUSED & options.keys():
        raise RecipeError(f"backbone.options.{min(refused)}: labelfree sets this itself or needs all tokens; leave it out.")
    if not timm.is_model(name):
        near = timm.list_models(f"*{name[:12]}*")[:3]
        hint = f"; did you mean {', '.join(near)}?" if near else "; `timm.list_models()` shows all."
        raise RecipeError(f"backbone.name: timm has no model {name!r}{hint}")
    try:
        return timm.create_model(name, pretrained=False, in_chans=channels, num_classes=0, **options)
    except (TypeError, ValueError, AssertionError, KeyError, AttributeError, RuntimeError) as error:
        why = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise RecipeError(f"backbone.options: {name} does not take {options} ({why}).") from error


def read_state(path: Path) -> dict[str, Tensor]:
    """A state dict from a safetensors file or a pickle that holds tensors only; classifier weights are dropped."""
    if not path.is_file():
        raise DataError(f"{path}: no such weight file.")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state: dict[str, Any] = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        kind = type(error).__name__
        raise DataError(f"{path}: not a readable weight file ({kind}); expected safetensors or a PyTorch state dict.") from error
    for wrapper in WRAPPERS:
        state = state[wrapper] if isinstance(state, dict) and isinstance(state.get(wrapper), dict) else state
    if not isinstance(state, dict) or not state or not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items()):
        raise DataError(f"{path}: holds no state dict (names and tensors); save the network with torch.save(net.state_dict(), …).")
    classifier = ("classifier.", "head.fc.", "fc.")
    return {k: v for k, v in state.items() if not k.startswith(classifier) and k not in ("head.weight", "head.bias")}
