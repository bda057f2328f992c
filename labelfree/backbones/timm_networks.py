"""Networks of timm as backbones: its CNNs and transformers, for pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

import timm
import torch
from timm.models import group_parameters, model_entrypoint
from torch import Tensor, nn

from labelfree.backbones.base import Backbone, Features, without_pixels
from labelfree.backbones.imagenet import imagenet_state, require_tag
from labelfree.errors import RecipeError

VITS = {"vision_transformer", "vision_transformer_hybrid", "deit", "eva"}  # timm's modules of networks that take FLEXIBLE
REFUSED = {"features_only", "patch_drop_rate", "num_classes", "in_chans", "pretrained"}
FLEXIBLE = {"dynamic_img_size": True, "dynamic_img_pad": True}  # local crops and several input sizes, whole patches or not
LEVELS = 4  # blocks of a ViT that stand for its pyramid, as in DPT


class Timm:
    """Every name that `timm.create_model` takes."""

    def knows(self, name: str) -> bool:
        return timm.is_model(name)

    def near(self, name: str) -> list[str]:
        return get_close_matches(name, timm.list_models(), 3)

    def make(self, name: str, channels: int, dims: int | None, options: Mapping[str, Any]) -> Backbone:
        if dims not in (None, 2):
            raise RecipeError(
                f"backbone.name: {name} reads pictures, and these images have {dims} spatial axes; slicewise/{name} reads volumes slice "
                "by slice, or name a network of your own as module:factory (docs/extending.md)."
            )
        if refused := REFUSED & options.keys():
            raise RecipeError(f"backbone.options.{min(refused)}: labelfree sets this itself or needs all tokens; leave it out.")
        options = _flexible(name, options)
        try:
            net = timm.create_model(name, pretrained=False, in_chans=channels, num_classes=0, **options)
            return TimmBackbone(net, name, channels, options)
        except (TypeError, ValueError, AssertionError, KeyError, AttributeError, RuntimeError) as error:
            require_tag(name)
            why = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            raise RecipeError(f"backbone.options: {name} does not take {options} ({why}).") from error

    def published(self, name: str, options: Mapping[str, Any]) -> dict[str, Tensor]:
        return imagenet_state(name, _flexible(name, options))


def _flexible(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    return {**FLEXIBLE, **options} if model_entrypoint(name).__module__.rpartition(".")[2] in VITS else dict(options)


class TimmBackbone(Backbone):
    """A timm network without its classifier."""

    def __init__(self, net: nn.Module, name: str, channels: int, options: Mapping[str, Any]) -> None:
        width: Any = net.num_features
        dim: Any = getattr(net, "head_hidden_size", width)
        super().__init__(net, name, channels, dims=2, dim=dim, token_dim=width, options=options)
        config: dict[str, Any] = net.pretrained_cfg  # type: ignore[assignment]
        self.mean = tuple(config["mean"])
        self.std = tuple(config["std"])
        self.side = int(options.get("img_size", config["input_size"][-1]))
        self.licence = str(config.get("license") or "")
        self.interpolation = str(config.get("interpolation") or self.interpolation)

    @property
    def transformer(self) -> bool:  # type: ignore[override]
        patches = getattr(self.net, "patch_embed", None)
        return hasattr(self.net, "num_prefix_tokens") and hasattr(patches, "dynamic_feat_size")

    @property
    def stem(self) -> str:
        first = self.net.pretrained_cfg["first_conv"]
        return f"{first if isinstance(first, str) else first[0]}.weight"

    def patch_embedding(self) -> nn.Module | None:
        return self.net.patch_embed if self.transformer else None

    def forward(self, x: Tensor, hidden: Tensor | None = None, mask_token: Tensor | None = None) -> Features:
        with self._hiding(hidden, mask_token):
            grid = self.net.forward_features(x if hidden is None or self.transformer else without_pixels(x, hidden))
        return self._features(grid, x)

    def _features(self, grid: Tensor, x: Tensor) -> Features:
        """Of what the layers before the head give for the input `x`."""
        pooled = self.net.forward_head(grid, pre_logits=True)
        if grid.ndim == 4:  # a CNN; channels-last networks (Swin) give (B, H, W, D)
            channels_last = getattr(self.net, "output_fmt", "NCHW") == "NHWC"
            return Features(pooled, grid.permute(0, 3, 1, 2) if channels_last else grid)
        if not self.transformer:  # tokens without a grid
            return Features(pooled)
        prefix = int(self.net.num_prefix_tokens)
        grid = self._normed(grid)
        tokens = grid[:, prefix:].transpose(1, 2).unflatten(2, self._grid(x))
        return Features(pooled, tokens, grid[:, :prefix] if prefix else None)

    def embed(self, x: Tensor) -> Tensor:
        pooled: Tensor = self.net.forward_head(self.net.forward_features(x), pre_logits=True)
        return pooled

    def pyramid(self, x: Tensor) -> list[Tensor]:
        """A CNN's stages; of a ViT, whose grid stays the same, what four blocks give, evenly spread, the last among them."""
        maps: list[Tensor] = self.net.forward_intermediates(x, indices=self._spread(), norm=self.transformer, intermediates_only=True)
        return maps

    def with_pyramid(self, x: Tensor) -> tuple[Features, list[Tensor]]:
        grid, maps = self.net.forward_intermediates(x, indices=self._spread(), norm=self.transformer)
        return self._features(grid, x), maps

    def _spread(self) -> list[int] | None:
        """Blocks of a ViT whose maps are a pyramid; None for a network that has its own."""
        if not hasattr(self.net, "forward_intermediates"):
            raise RecipeError(f"backbone.name: timm tells no feature maps of {self.name}; take a CNN or a ViT (vit_…).")
        depth = len(self.net.blocks) if self.transformer else 0
        return sorted({depth - 1 - level * depth // LEVELS for level in range(LEVELS)}) if depth else None

    def hidden_states(self, x: Tensor, layer: int) -> Tensor:
        if not self.transformer or not hasattr(self.net, "forward_intermediates"):
            return super().hidden_states(x, layer)
        at = range(len(self.net.blocks))[layer]
        found: list[Tensor] = self.net.forward_intermediates(x, indices=[at], norm=False, intermediates_only=True)
        return found[0]

    def attention(self, x: Tensor) -> Tensor | None:
        """Of a ViT, how much its class token (where it has none, a token on average) attends to each patch in the last block."""
        last: Any = getattr(self.net.blocks[-1], "attn", None) if self.transformer else None
        if not hasattr(last, "attn_drop") or not hasattr(last, "fused_attn"):
            return None
        seen: list[Tensor] = []
        hook = last.attn_drop.register_forward_pre_hook(lambda _layer, inputs: seen.append(inputs[0]))
        fused, last.fused_attn = last.fused_attn, False  # fused kernels never hold the weights
        try:
            self.net.forward_features(x)
        finally:
            last.fused_attn = fused
            hook.remove()
        prefix = int(self.net.num_prefix_tokens)
        weights = seen[0]  # (B, heads, from, to)
        rows = weights.mean(2) if getattr(self.net, "cls_token", None) is None else weights[:, :, 0]
        patches = rows[..., prefix:]
        return (patches / patches.sum(-1, keepdim=True)).unflatten(2, self._grid(x))

    def param_groups(self) -> list[list[nn.Parameter]]:
        named = dict(self.net.named_parameters())
        layers = group_parameters(self.net, self.net.group_matcher(coarse=False))
        return [[named[name] for name in layers[layer]] for layer in sorted(layers)]

    def _grid(self, x: Tensor) -> tuple[int, int]:
        height, width = self.net.patch_embed.dynamic_feat_size(x.shape[-2:])
        return height, width

    def _normed(self, grid: Tensor) -> Tensor:
        """Tokens after the network's last norm, which ViTs that pool by averaging apply to the average alone."""
        last: Any = getattr(self.net, "fc_norm", None)
        normed: Tensor = last(grid) if last is not None and isinstance(self.net.norm, nn.Identity) else grid
        return normed

    @contextmanager
    def _hiding(self, hidden: Tensor | None, mask_token: Tensor | None) -> Iterator[None]:
        """Within: the patch embedding gives `mask_token` where `hidden` is True."""
        if hidden is None or not self.transformer:
            yield
            return

        def hide(_module: nn.Module, _inputs: Any, patches: Tensor) -> Tensor:  # (B, H, W, D) or (B, H * W, D)
            where = hidden if patches.ndim == 4 else hidden.flatten(1)
            token = mask_token if mask_token is not None else patches.new_zeros(patches.shape[-1])
            return torch.where(where.unsqueeze(-1), token.to(patches.dtype), patches)

        hook = self.net.patch_embed.register_forward_hook(hide)
        try:
            yield
        finally:
            hook.remove()
