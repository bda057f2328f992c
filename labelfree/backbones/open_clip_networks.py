"""open_clip's own vision transformers as backbones: `open_clip/ViT-B-32` and other names of its configurations, or `open_clip/vit`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labelfree.backbones.base import Backbone, Features
from labelfree.errors import RecipeError

PREFIX, PLAIN = "open_clip/", "vit"
LEVELS = 4  # blocks that stand for its pyramid, as in DPT
OTHERS = ("timm_", "attn_pooler", "patch_dropout", "output_tokens")  # keys of what is no plain transformer, or no matter here


class OpenClipNetworks:
    """`open_clip/NAME` for each of its configurations with a transformer of its own; `open_clip/vit` is all options, those of `vision_cfg`.

    `quick_gelu` is an option, too. Networks of timm go by timm's names.
    """

    def knows(self, name: str) -> bool:
        return name.startswith(PREFIX)

    def near(self, name: str) -> list[str]:
        return []

    def make(self, name: str, channels: int, dims: int | None, options: Mapping[str, Any]) -> Backbone:
        if dims not in (None, 2):
            raise RecipeError(f"backbone.name: {name} reads pictures, and these images have {dims} spatial axes.")
        config = {**vision_config(name), **options}
        try:
            net = _vit(config, channels)
        except (TypeError, ValueError, AssertionError, ZeroDivisionError, RuntimeError) as error:
            raise RecipeError(f"backbone.options: {name} does not take {dict(options)} ({str(error).splitlines()[0]}).") from error
        return OpenClipViT(net, name, channels, config, options)

    def published(self, name: str, options: Mapping[str, Any]) -> dict[str, Tensor]:
        raise RecipeError(
            f"backbone.init: weights of {name} come from a file (labelfree convert, docs/language.md); name it, or take init: random, and "
            "leave arms that start from ImageNet out of evaluate.arms."
        )


def vision_config(name: str) -> dict[str, Any]:
    """`vision_cfg` and `quick_gelu` of a configuration by name. Raises RecipeError where it has no transformer of open_clip's own."""
    short = name.removeprefix(PREFIX)
    known = _configurations()
    if short == PLAIN:
        return {}
    if short not in known:
        near = get_close_matches(short, known, 1)
        hint = f"did you mean {PREFIX}{near[0]}?" if near else f"{PREFIX}{PLAIN} with backbone.options makes any transformer of its own."
        raise RecipeError(f"backbone.name: open_clip has no configuration {short!r}; {hint}")
    vision = dict(known[short]["vision_cfg"])
    if timm_name := vision.get("timm_model_name"):
        raise RecipeError(f"backbone.name: the image tower of {short} is timm's {timm_name}; name that.")
    if why := not_plain(vision):
        raise RecipeError(f"backbone.name: the image tower of {short} {why}, which is not read here.")
    return {**vision, **({"quick_gelu": True} if known[short].get("quick_gelu") else {})}


def not_plain(vision: Mapping[str, Any]) -> str:
    """Why a `vision_cfg` is no plain transformer, behind "the image tower"; empty where it is one."""
    if isinstance(vision.get("layers"), list | tuple):
        return "is a ResNet of open_clip's own"
    if vision.get("attentional_pool"):
        return "pools by attention"
    return "has no class token to tell of images" if vision.get("pool_type") == "none" else ""


@cache
def _configurations() -> dict[str, Any]:
    try:
        from open_clip import get_model_config, list_models
    except ImportError as error:
        raise RecipeError("backbone.name: needs open_clip, which is not installed: pip install 'labelfree[language]'.") from error
    return {name: get_model_config(name) for name in list_models()}


def _vit(config: Mapping[str, Any], channels: int) -> nn.Module:
    """The transformer without its projection, for so many channels."""
    from open_clip.model import CLIPVisionCfg, _build_vision_tower

    if why := not_plain(config):
        raise ValueError(f"it {why}")
    told = {key: value for key, value in config.items() if key != "quick_gelu"}
    unknown = set(told) - {field.name for field in fields(CLIPVisionCfg) if not field.name.startswith(OTHERS)}
    if unknown:
        raise ValueError(f"{min(unknown)} is no key of vision_cfg that is read here")
    net: Any = _build_vision_tower(1, CLIPVisionCfg(**told), bool(config.get("quick_gelu")))
    net.proj = None  # it stands in the text side's file, as that of every backbone
    first = net.conv1
    if channels != first.in_channels:
        net.conv1 = nn.Conv2d(channels, first.out_channels, first.kernel_size, first.stride, bias=False)
    module: nn.Module = net
    return module


class OpenClipViT(Backbone):
    """A vision transformer of open_clip. Images of any size: positions are resampled, and the right and lower edge padded to whole patches.

    `config`: its whole `vision_cfg`, and `quick_gelu`.
    """

    transformer = True

    def __init__(self, net: nn.Module, name: str, channels: int, config: Mapping[str, Any], options: Mapping[str, Any]) -> None:
        width = int(net.class_embedding.shape[0])  # type: ignore[union-attr, index]
        super().__init__(net, name, channels, dims=2, dim=width, options=options)
        self.config = dict(config)
        self.side = int(self.net.image_size[0])

    @property
    def stem(self) -> str:
        return "conv1.weight"

    def patch_embedding(self) -> nn.Module | None:
        first: nn.Module = self.net.conv1
        return first

    def forward(self, x: Tensor, hidden: Tensor | None = None, mask_token: Tensor | None = None) -> Features:
        tokens, grid = self._tokens(x, hidden, mask_token)
        return self._features(self.net.transformer(tokens), grid)

    def pyramid(self, x: Tensor) -> list[Tensor]:
        """Four blocks, evenly spread, the last among them; their grids are the same."""
        depth = len(self.net.transformer.resblocks)
        levels = sorted({depth - 1 - level * depth // LEVELS for level in range(LEVELS)})
        tokens, grid = self._tokens(x, None, None)
        _, found = self.net.transformer.forward_intermediates(tokens, indices=levels)
        return [self.net.ln_post(level)[:, 1:].transpose(1, 2).unflatten(2, grid) for level in found]

    def hidden_states(self, x: Tensor, layer: int) -> Tensor:
        at = range(len(self.net.transformer.resblocks))[layer]
        tokens, grid = self._tokens(x, None, None)
        _, found = self.net.transformer.forward_intermediates(tokens, indices=[at])
        states: Tensor = found[0][:, 1:].transpose(1, 2).unflatten(2, grid)
        return states

    def param_groups(self) -> list[list[nn.Parameter]]:
        net = self.net
        first = [net.class_embedding, net.positional_embedding, *net.conv1.parameters(), *net.ln_pre.parameters()]
        blocks = [list(block.parameters()) for block in net.transformer.resblocks]
        blocks[-1] += list(net.ln_post.parameters())
        return [[parameter for parameter in layer if parameter.requires_grad] or layer for layer in (first, *blocks)]

    def _features(self, seen: Tensor, grid: tuple[int, int]) -> Features:
        normed = self.net.ln_post(seen)
        after = self.net.final_ln_after_pool
        pooled, _ = self.net._global_pool(seen if after else normed)
        return Features(
            self.net.ln_post(pooled) if after else pooled, normed[:, 1:].transpose(1, 2).unflatten(2, grid), normed[:, :1]
        )  # fmt: skip

    def _tokens(self, x: Tensor, hidden: Tensor | None, mask_token: Tensor | None) -> tuple[Tensor, tuple[int, int]]:
        net = self.net
        down, across = (-size % patch for size, patch in zip(x.shape[2:], net.patch_size, strict=True))
        patches = net.conv1(F.pad(x, (0, across, 0, down)) if down or across else x)
        grid = (int(patches.shape[2]), int(patches.shape[3]))
        if hidden is not None:
            token = patches.new_zeros(patches.shape[1]) if mask_token is None else mask_token.to(patches.dtype)
            patches = torch.where(hidden[:, None], token.view(1, -1, 1, 1), patches)
        flat = patches.flatten(2).transpose(1, 2)
        first = net.class_embedding.to(flat.dtype).expand(len(flat), 1, -1)
        return net.ln_pre(torch.cat([first, flat], 1) + self._positions(grid).to(flat.dtype)), grid

    def _positions(self, grid: tuple[int, int]) -> Tensor:
        """(1 + tokens, D), resampled as open_clip does where the grid is another one."""
        table: Tensor = self.net.positional_embedding
        if grid == tuple(self.net.grid_size):
            return table
        map_of = table[1:].T.unflatten(1, self.net.grid_size)[None]
        found = F.interpolate(map_of.float(), size=grid, mode="bicubic", antialias=True, align_corners=False)
        return torch.cat([table[:1], found[0].flatten(1).T.to(table.dtype)])
