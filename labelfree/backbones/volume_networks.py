"""Networks of volumes by name: MONAI's, and the residual encoder of nnU-Net; what they share as backbones."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib import import_module
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from labelfree.backbones.base import Backbone, Features, without_pixels
from labelfree.backbones.layouts import Layout
from labelfree.domain import Size
from labelfree.errors import RecipeError

AXES = 3
GROUPS = 8  # of GroupNorm
MONAI = "pip install 'monai>=1.3' einops"


@dataclass(frozen=True)
class Preset:
    """One name: the factory `module:function` (channels, **options) -> VolumeBackbone, and the options that the name stands for."""

    factory: str
    options: Mapping[str, Any] = field(default_factory=dict)


def _presets() -> dict[str, Preset]:
    resnets = {f"monai_resnet{depth}": Preset("monai_resnet:resnet", {"depth": depth}) for depth in (10, 18, 34, 50)}
    swins = {f"monai_swinunetr_{width}": Preset("monai_swin:swinunetr", {"feature_size": width}) for width in (12, 24, 48)}
    vits = {
        f"monai_vit_{size}_{patch}": Preset("monai_vit:vit", {"size": size, "patch_size": patch})
        for size in ("tiny", "small", "base")
        for patch in (8, 16)
    }
    unets = {
        f"monai_dynunet_{width}": Preset("monai_dynunet:dynunet", {"filters": tuple(min(width << level, 320) for level in range(5))})
        for width in (16, 32)
    }
    return {**resnets, **swins, **vits, **unets, "nnunet_resenc_l": Preset("residual_encoder:residual_encoder")}


PRESETS = _presets()


class VolumeNetworks:
    """The names in PRESETS. Nothing of MONAI is imported before one is made."""

    def knows(self, name: str) -> bool:
        return name in PRESETS

    def near(self, name: str) -> list[str]:
        return get_close_matches(name, PRESETS, 3)

    def make(self, name: str, channels: int, dims: int | None, options: Mapping[str, Any]) -> Backbone:
        if dims not in (None, AXES):
            raise RecipeError(
                f"backbone.name: {name} reads volumes, and these images have {dims} spatial axes; take one of timm's (resnet18)."
            )
        preset = PRESETS[name]
        try:
            module, _, function = preset.factory.partition(":")
            factory: Callable[..., VolumeBackbone] = getattr(import_module(f"labelfree.backbones.{module}"), function)
        except ImportError as error:
            raise RecipeError(f"backbone.name: {name} stands on MONAI, which is not installed here ({error}); {MONAI}.") from error
        known = list(inspect.signature(factory).parameters)[1:]
        if unknown := [key for key in options if key not in known]:
            raise RecipeError(f"backbone.options.{unknown[0]}: {name} has no such option; it has {', '.join(known)}.")
        try:
            backbone = factory(channels, **{**preset.options, **options})
        except (TypeError, ValueError, AssertionError, KeyError, IndexError, RuntimeError) as error:
            why = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            raise RecipeError(f"backbone.options: {name} does not take {dict(options)} ({why}).") from error
        backbone.name, backbone.options = name, dict(options)
        return backbone

    def published(self, name: str, options: Mapping[str, Any]) -> dict[str, Tensor]:
        raise RecipeError(
            f"backbone.init: no weights of pictures fit {name}, a network of volumes; use init: random or a weight file "
            "(`labelfree convert` reads published ones), and leave imagenet+domain and imagenet-inflated out of evaluate.arms; the arm "
            "imagenet may stay, for it sees volumes slice by slice."
        )


class VolumeBackbone(Backbone):
    """A network of volumes made of levels, each coarser than the one before; the last level's map holds the tokens."""

    layout: ClassVar[Layout] = Layout()

    def __init__(self, net: nn.Module, channels: int, dim: int) -> None:
        super().__init__(net, type(net).__name__, channels, dims=AXES, dim=dim)

    def levels(self, x: Tensor) -> list[Tensor]:
        """Feature maps (B, D_i, *grid_i) of (B, C, D, H, W), finest first."""
        raise NotImplementedError

    def layers(self) -> Iterable[nn.Module]:
        """Its parts from the input on, which together hold all parameters."""
        return self.net.children()

    def forward(self, x: Tensor, hidden: Tensor | None = None, mask_token: Tensor | None = None) -> Features:
        tokens = self.levels(x if hidden is None else without_pixels(x, hidden))[-1]
        return Features(tokens.flatten(2).mean(2), tokens)

    def pyramid(self, x: Tensor) -> list[Tensor]:
        return self.levels(x)

    def param_groups(self) -> list[list[nn.Parameter]]:
        groups = [list(layer.parameters()) for layer in self.layers()]
        return [group for group in groups if group]

    def own_names(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        return self.layout.own(state, self.net.state_dict())

    def require_size(self, size: Size, key: str) -> None:
        try:
            super().require_size(size, key)
        except RecipeError as error:
            if "more than 1 spatial element" not in str(error):
                raise
            raise RecipeError(
                f"{key}: {self.name} keeps a single voxel of such views at its last level, and its InstanceNorm compares several; "
                "take larger ones, or backbone.options.norm: group."
            ) from error


def normed_by(net: nn.Module, norm: str) -> nn.Module:
    """`net` with its BatchNorm layers kept (`batch`), or replaced by others that do not look at the batch (`group`, `instance`).

    Raises ValueError for any other word.
    """
    if norm == "batch":
        return net
    for name, layer in list(net.named_modules()):
        if isinstance(layer, _BatchNorm):
            parent, _, last = name.rpartition(".")
            setattr(net.get_submodule(parent), last, norm_layer(norm, layer.num_features))
    return net


def norm_layer(norm: str, channels: int) -> nn.Module:
    """A layer for maps of volumes with so many channels. Raises ValueError for an unknown word."""
    if norm == "batch":
        return nn.BatchNorm3d(channels)
    if norm == "group":
        return nn.GroupNorm(next(groups for groups in range(GROUPS, 0, -1) if channels % groups == 0), channels)
    if norm == "instance":
        return nn.InstanceNorm3d(channels, affine=True)
    raise ValueError(f"norm: {norm!r} is none of batch, group, instance")
