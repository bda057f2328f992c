"""A backbone: an image encoder that gives pooled features, patch tokens and prefix tokens in one pass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from timm.layers import DropPath
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from labelfree.errors import RecipeError


@dataclass(frozen=True)
class Features:
    """What one pass gives: `pooled` (B, D), `tokens` (B, D, *grid) or None, `prefix` (B, P, D) or None (class and register tokens)."""

    pooled: Tensor
    tokens: Tensor | None = None
    prefix: Tensor | None = None


class Backbone(nn.Module):
    """A timm network without its classifier.

    `channels`: how many input channels. `dim`: D, the width of `embed`. `token_dim`: that of tokens. `mean`, `std`: the normalisation
    its ImageNet weights were trained with, three numbers each for inputs in [0, 1].
    """

    net: Any  # timm's networks have methods that nn.Module does not know of

    def __init__(self, net: nn.Module, name: str, channels: int, options: dict[str, Any]) -> None:
        super().__init__()
        self.net = net
        self.name = name
        self.channels = channels
        self.options = options
        self.dim: int = net.num_features if not hasattr(net, "head_hidden_size") else net.head_hidden_size  # type: ignore[assignment]
        self.token_dim: int = net.num_features  # type: ignore[assignment]
        config: dict[str, Any] = net.pretrained_cfg  # type: ignore[assignment]
        self.mean: tuple[float, ...] = tuple(config["mean"])
        self.std: tuple[float, ...] = tuple(config["std"])
        self._statistics_frozen = False

    @property
    def transformer(self) -> bool:
        """Whether it is a ViT: patches become tokens once, and stay apart to the end."""
        patches = getattr(self.net, "patch_embed", None)
        return hasattr(self.net, "num_prefix_tokens") and hasattr(patches, "dynamic_feat_size")

    def patch_embedding(self) -> nn.Module | None:
        """The layer that turns patches into tokens; None in a CNN."""
        return self.net.patch_embed if self.transformer else None

    def forward(self, x: Tensor, mask: Tensor | None = None, mask_token: Tensor | None = None) -> Features:
        """`x`: (B, C, H, W), normalised. `mask`: (B, *grid) bool, True where a token is hidden from the network.

        A ViT gets `mask_token` (D,) instead of a hidden patch, before positions are added. A CNN, whose tokens only exist at its end,
        gets the channel mean (0 after normalisation) instead of a hidden token's pixels.
        """
        with self._hidden(mask, mask_token):
            grid = self.net.forward_features(x if mask is None or self.transformer else _without_pixels(x, mask))
        pooled = self.net.forward_head(grid, pre_logits=True)
        if grid.ndim == 4:  # a CNN; channels-last networks (Swin) give (B, H, W, D)
            channels_last = getattr(self.net, "output_fmt", "NCHW") == "NHWC"
            return Features(pooled, grid.permute(0, 3, 1, 2) if channels_last else grid)
        if not self.transformer:  # tokens without a grid
            return Features(pooled)
        prefix = int(self.net.num_prefix_tokens)
        height, width = self.net.patch_embed.dynamic_feat_size(x.shape[-2:])
        grid = self._normed(grid)
        tokens = grid[:, prefix:].transpose(1, 2).unflatten(2, (height, width))
        return Features(pooled, tokens, grid[:, :prefix] if prefix else None)

    def _normed(self, grid: Tensor) -> Tensor:
        """Tokens after the network's last norm, which ViTs that pool by averaging apply to the average alone."""
        last = getattr(self.net, "fc_norm", None)
        normed: Tensor = last(grid) if last is not None and isinstance(self.net.norm, nn.Identity) else grid
        return normed

    def embed(self, x: Tensor) -> Tensor:
        """Pooled features: (B, C, H, W) -> (B, D)."""
        pooled: Tensor = self.net.forward_head(self.net.forward_features(x), pre_logits=True)
        return pooled

    def require_side(self, side: int, key: str) -> None:
        """Raises RecipeError naming the recipe's `key` when the network cannot take images of `side` pixels."""
        like, training = next(self.parameters()), self.training
        try:
            with torch.inference_mode():
                self.eval().embed(like.new_zeros(1, self.channels, side, side))
        except (AssertionError, RuntimeError) as error:
            raise RecipeError(
                f"{key}: {self.name} does not take images of {side} pixels ({str(error).splitlines()[0]}); name the size that it was built "
                "for, or set backbone.name to a CNN or a ViT (vit_…), which take any."
            ) from error
        finally:
            self.train(training)

    @contextmanager
    def _hidden(self, mask: Tensor | None, mask_token: Tensor | None) -> Iterator[None]:
        """Within: the patch embedding gives `mask_token` where `mask` is True."""
        if mask is None or not self.transformer:
            yield
            return

        def hide(_module: nn.Module, _inputs: Any, patches: Tensor) -> Tensor:  # (B, H, W, D) or (B, H * W, D)
            where = mask if patches.ndim == 4 else mask.flatten(1)
            token = mask_token if mask_token is not None else patches.new_zeros(patches.shape[-1])
            return torch.where(where.unsqueeze(-1), token.to(patches.dtype), patches)

        hook = self.net.patch_embed.register_forward_hook(hide)
        try:
            yield
        finally:
            hook.remove()

    def freeze_statistics(self) -> None:
        """Keep BatchNorm's running statistics for good: used for normalising, never moved, also in training mode."""
        self._statistics_frozen = True
        self.train(self.training)

    def train(self, mode: bool = True) -> Backbone:
        super().train(mode)
        if self._statistics_frozen:
            for norm in batch_norms(self):
                norm.eval()
        return self


def batch_norms(module: nn.Module) -> Iterator[_BatchNorm]:
    """Every BatchNorm layer inside `module`."""
    return (layer for layer in module.modules() if isinstance(layer, _BatchNorm))


def without_dropout(module: nn.Module) -> None:
    """Set every rate of Dropout and DropPath inside `module` to 0, for good."""
    for layer in module.modules():
        if isinstance(layer, _DropoutNd):
            layer.p = 0.0
        elif isinstance(layer, DropPath):
            layer.drop_prob = 0.0
        elif isinstance(getattr(layer, "drop_rate", None), float):  # timm's CNNs drop pooled features by it
            layer.drop_rate = 0.0  # type: ignore[assignment]


def _without_pixels(x: Tensor, mask: Tensor) -> Tensor:
    """`x` (B, C, *spatial) with 0 where `mask` (B, *grid) is True."""
    where = F.interpolate(mask[:, None].to(x.dtype), size=x.shape[2:], mode="nearest")
    return x * (1 - where)


@contextmanager
def statistics_kept(module: nn.Module) -> Iterator[None]:
    """Within: batches may pass through `module` without moving BatchNorm's running statistics (for small local crops)."""
    moving = [norm for norm in batch_norms(module) if norm.training and norm.track_running_stats]
    momenta = [norm.momentum for norm in moving]
    counts = [norm.num_batches_tracked.clone() for norm in moving]  # type: ignore[union-attr]  # there where statistics are tracked
    for norm in moving:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(moving, momenta, strict=True):
            norm.momentum = momentum
        for norm, count in zip(moving, counts, strict=True):
            norm.num_batches_tracked.copy_(count)  # type: ignore[union-attr]
