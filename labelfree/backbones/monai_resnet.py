"""MONAI's 3D ResNets, in the layout of MedicalNet's weights (Chen et al. 2019, arXiv:1904.00625)."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from monai.networks.nets import resnet as monai_resnets
from torch import Tensor, nn

from labelfree.backbones.layouts import Layout
from labelfree.backbones.volume_networks import AXES, VolumeBackbone, normed_by

WIDTHS = (64, 128, 256, 512)


def resnet(
    channels: int,
    depth: int = 18,
    norm: str = "batch",
    conv1_t_size: int | tuple[int, ...] = 7,
    conv1_t_stride: int | tuple[int, ...] = 2,
    no_max_pool: bool = False,
    shortcut_type: str | None = None,
    bias_downsample: bool | None = None,
    widen_factor: float = 1.0,
) -> ResNetBackbone:
    """A ResNet with `depth` layers; keywords are those of `monai.networks.nets.ResNet`, left out those that MedicalNet's weights have.

    `norm`: `batch`, or `group` and `instance` for batches of a few volumes.
    """
    block, layers, shortcut, bias, _ = monai_resnets.resnet_params[f"resnet{depth}"]
    net = monai_resnets.ResNet(
        block,
        layers,
        list(WIDTHS),
        spatial_dims=AXES,
        n_input_channels=channels,
        conv1_t_size=conv1_t_size,  # type: ignore[arg-type]  # MONAI's annotation means any number of axes
        conv1_t_stride=conv1_t_stride,  # type: ignore[arg-type]
        no_max_pool=no_max_pool,
        shortcut_type=shortcut if shortcut_type is None else shortcut_type,
        bias_downsample=bias if bias_downsample is None else bias_downsample,
        widen_factor=widen_factor,
        feed_forward=False,
    )
    for stage in (net.layer1, net.layer2, net.layer3, net.layer4):
        first = stage[0]
        if isinstance(first.downsample, partial):
            first.downsample = PaddedShortcut(**first.downsample.keywords)
    return ResNetBackbone(normed_by(net, norm), channels, net.in_planes)


class PaddedShortcut(nn.Module):
    """Shortcut A of He et al. (2015, arXiv:1512.03385): every `stride`-th voxel, new channels 0. MONAI's cuts it off from gradients."""

    def __init__(self, planes: int, stride: int, spatial_dims: int) -> None:
        super().__init__()
        self.planes = planes
        self.steps: tuple[Any, ...] = (..., *(slice(None, None, stride),) * spatial_dims)

    def forward(self, x: Tensor) -> Tensor:
        kept = x[self.steps]
        fresh = kept.new_zeros(len(kept), self.planes - kept.shape[1], *kept.shape[2:])
        return torch.cat([kept, fresh], dim=1)


class ResNetBackbone(VolumeBackbone):
    """Levels: the stem at half the resolution, then the four stages."""

    layout = Layout(("module", "backbone", "encoder", "net"), (r"conv_seg\.", r"fc\."))

    def levels(self, x: Tensor) -> list[Tensor]:
        net = self.net
        stem = F.relu(net.bn1(net.conv1(x)))
        levels = [net.layer1(stem if net.no_max_pool else net.maxpool(stem))]
        for stage in (net.layer2, net.layer3, net.layer4):
            levels.append(stage(levels[-1]))
        return levels if levels[0].shape == stem.shape else [stem, *levels]

    def layers(self) -> list[nn.Module]:
        net = self.net
        return [nn.ModuleList([net.conv1, net.bn1]), net.layer1, net.layer2, net.layer3, net.layer4]
