"""The contract of a backbone, and what any network fulfils of it: one pass gives pooled features, tokens and prefix tokens."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.dropout import _DropoutNd

from labelfree.domain import Size, sides
from labelfree.errors import RecipeError

BILINEAR = "bilinear"  # how images are resized where nothing else is told


@dataclass(frozen=True)
class Features:
    """What one pass gives: `pooled` (B, D), `tokens` (B, D, *grid) or None, `prefix` (B, P, D) or None (class and register tokens)."""

    pooled: Tensor
    tokens: Tensor | None = None
    prefix: Tensor | None = None


class Backbone(nn.Module):
    """An encoder of images: (B, C, *spatial), normalised, in 2D or 3D.

    As it stands it makes one of any network that gives a vector (B, D) or a map (B, D, *grid), which is averaged over the grid. Whoever
    knows more of a network overrides more. `net`: the network; its tensors are what a weight file holds. `name`: what recipes and weight
    cards call it. `channels`: how many input channels. `dims`: spatial axes. `dim`: D, the width of `embed`. `token_dim`: that of tokens.
    `options`: that it was made with. Of its published weights `mean`, `std`: the normalisation, for inputs in [0, 1]; `side`: pixels of the
    images that they were taught by, 0: not told; `interpolation` by which these were resized; `licence`.
    """

    net: Any  # networks have methods that nn.Module does not know of
    transformer = False  # patches become tokens once, and stay apart to the end: a ViT
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    side = 0
    interpolation = BILINEAR
    licence = ""

    def __init__(
        self, net: nn.Module, name: str, channels: int, *, dims: int, dim: int, token_dim: int | None = None, options: Mapping = {}
    ) -> None:
        super().__init__()
        self.net = net
        self.name = name
        self.channels = channels
        self.dims = dims
        self.dim = dim
        self.token_dim = token_dim or dim
        self.options: dict[str, Any] = dict(options)
        self._statistics_frozen = False

    def forward(self, x: Tensor, hidden: Tensor | None = None, mask_token: Tensor | None = None) -> Features:
        """`x`: (B, C, *spatial), normalised. `hidden`: (B, *grid) bool, True where a token is hidden from the network.

        A ViT gets `mask_token` (D,) instead of a hidden patch, before positions are added. A CNN, whose tokens only exist at its end,
        gets the channel mean (0 after normalisation) instead of a hidden token's pixels.
        """
        seen = self.net(x if hidden is None else without_pixels(x, hidden))
        return Features(seen) if seen.ndim == 2 else Features(seen.flatten(2).mean(2), seen)

    def embed(self, x: Tensor) -> Tensor:
        """Pooled features: (B, C, *spatial) -> (B, D)."""
        return self.forward(x).pooled

    def pyramid(self, x: Tensor) -> list[Tensor]:
        """Feature maps (B, D_i, *grid_i), coarsest last: the last one that any layer gives at each resolution below the input's.

        A network that says so itself may begin with a map at the input's own resolution. Raises RecipeError where there is none.
        """
        maps: dict[tuple[int, ...], Tensor] = {}

        def keep(_layer: nn.Module, _inputs: Any, found: Any) -> None:
            if isinstance(found, Tensor) and found.ndim == x.ndim and len(found) == len(x):
                maps[tuple(found.shape[2:])] = found

        hooks = [layer.register_forward_hook(keep) for layer in self.net.modules()]
        try:
            self.net(x)
        finally:
            for hook in hooks:
                hook.remove()
        whole = tuple(x.shape[2:])
        coarser = [grid for grid in maps if max(grid) > 1 and grid != whole and all(map(int.__le__, grid, whole))]
        if not coarser:
            raise RecipeError(f"backbone.name: {self.name} has no feature maps; take a network that keeps them apart from pooling.")
        return [maps[grid] for grid in sorted(coarser, reverse=True)]

    def with_pyramid(self, x: Tensor) -> tuple[Features, list[Tensor]]:
        """What `forward` and `pyramid` give; a network that can does both in one pass."""
        return self.forward(x), self.pyramid(x)

    def hidden_states(self, x: Tensor, layer: int) -> Tensor:
        """What a layer gives, (B, D, *grid): of a ViT a block, its patch tokens alone and before any last norm; of other networks a level
        of `pyramid`. From 0 on, or from -1 backwards. Raises IndexError where there is no such layer, RecipeError as `pyramid`.
        """
        return self.pyramid(x)[layer]

    def attention(self, x: Tensor) -> Tensor | None:
        """(B, heads, *grid): where each head of the last layer looks, every map sums to 1. None where a network has no such heads."""
        return None

    def param_groups(self) -> list[list[nn.Parameter]]:
        """Its parameters, each once, layer by layer from the input on: what an optimiser may give rates of their own."""
        layer = self.net
        while len(parts := list(layer.children())) == 1 and not list(layer.parameters(recurse=False)):
            layer = parts[0]
        groups: list[list[nn.Parameter]] = []
        grouped: set[int] = set()
        for parameters in (layer.parameters(recurse=False), *(part.parameters() for part in layer.children())):
            fresh = [parameter for parameter in parameters if id(parameter) not in grouped]  # layers may share theirs
            grouped |= set(map(id, fresh))
            groups += [fresh] if fresh else []
        return groups

    def own_names(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of a file, perhaps in a layout that others publish, under the names that `net` gives them.

        What cannot be told keeps its name, so that loading refuses it. Raises DataError where the file contradicts itself.
        """
        return state

    def patch_embedding(self) -> nn.Module | None:
        """The layer that turns patches into tokens; None in a CNN."""
        return None

    @property
    def stem(self) -> str | None:
        """Name of the weight (out, C, *kernel) in `net` that reads the input's channels; None where it cannot be told."""
        for name, layer in self.net.named_modules():
            if isinstance(layer, _ConvNd):
                return f"{name}.weight".lstrip(".") if layer.in_channels == self.channels and layer.groups == 1 else None
        return None

    def require_size(self, size: Size, key: str) -> None:
        """Raises RecipeError naming the recipe's `key` when the network cannot take images of `size` pixels."""
        like, training = next(self.parameters()), self.training
        shape = sides(size, self.dims)
        try:
            with torch.inference_mode():
                self.eval().embed(like.new_zeros(1, self.channels, *shape))
        except (AssertionError, RuntimeError, ValueError) as error:
            pixels = size if isinstance(size, int) else " x ".join(map(str, size))
            raise RecipeError(
                f"{key}: {self.name} does not take images of {pixels} pixels ({str(error).splitlines()[0]}); name the size that it was "
                "built for, or set backbone.name to a CNN or a ViT (vit_…), which take any."
            ) from error
        finally:
            self.train(training)

    def hold_first_layers(self, share: float) -> None:
        """Let the first `share` of its layers (`param_groups`) learn no more; the last one always learns."""
        layers = self.param_groups()
        for parameter in (one for layer in layers[: min(round(share * len(layers)), len(layers) - 1)] for one in layer):
            parameter.requires_grad_(False)

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


def weights_digest(module: nn.Module, reads: str = "") -> str:
    """Of all tensors of `module`, and of how it reads what it is given."""
    state = hashlib.sha256(reads.encode())
    for name, tensor in sorted(module.state_dict().items()):
        state.update(name.encode() + tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return state.hexdigest()[:16]


def batch_norms(module: nn.Module) -> Iterator[_BatchNorm]:
    """Every BatchNorm layer inside `module`."""
    return (layer for layer in module.modules() if isinstance(layer, _BatchNorm))


def without_dropout(module: nn.Module) -> None:
    """Set every rate of Dropout and DropPath inside `module` to 0, for good."""
    for layer in module.modules():
        if isinstance(layer, _DropoutNd):
            layer.p = 0.0
        elif isinstance(getattr(layer, "drop_prob", None), float):  # paths, timm's and MONAI's
            layer.drop_prob = 0.0  # type: ignore[assignment]
        elif isinstance(getattr(layer, "drop_rate", None), float):  # timm's CNNs drop pooled features by it
            layer.drop_rate = 0.0  # type: ignore[assignment]


def without_pixels(x: Tensor, mask: Tensor) -> Tensor:
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
