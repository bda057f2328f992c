"""The residual encoder of nnU-Net (Isensee et al. 2024, arXiv:2404.09556), size L, as nnssl publishes its weights (arXiv:2412.17041).

Tensors are called as in those files, so that they load one by one.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from labelfree.backbones.layouts import Layout
from labelfree.backbones.volume_networks import VolumeBackbone, norm_layer

FEATURES, BLOCKS = (32, 64, 128, 256, 320, 320), (1, 3, 4, 6, 6, 6)
SLOPE = 0.01  # of the leaky ReLU


def residual_encoder(
    channels: int, features: Sequence[int] = FEATURES, blocks: Sequence[int] = BLOCKS, norm: str = "instance"
) -> ResidualEncoderBackbone:
    """`features`: the width of each stage, halving the resolution from the second on; `blocks`: how many it has."""
    if len(features) != len(blocks):
        raise ValueError(f"blocks: {len(blocks)} numbers for {len(features)} stages")
    return ResidualEncoderBackbone(ResidualEncoder(channels, features, blocks, norm), channels, features[-1])


class Normed(nn.Module):
    """A convolution and its norm."""

    def __init__(self, before: int, after: int, kernel: int, stride: int, norm: str, bias: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv3d(before, after, kernel, stride, kernel // 2, bias=bias)
        self.norm = norm_layer(norm, after)
        nn.init.kaiming_normal_(self.conv.weight, a=SLOPE)
        if self.conv.bias is not None:
            nn.init.zeros_(self.conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        normed: Tensor = self.norm(self.conv(x))
        return normed


class Averaged(nn.Module):
    """Means of `stride` voxels along each axis, of odd sides and of single slices as many as a convolution keeps."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool3d(x, [min(self.stride, side) for side in x.shape[2:]], self.stride, ceil_mode=True)


class Block(nn.Module):
    """Two convolutions beside a shortcut that averages before it projects (He et al. 2019, arXiv:1812.01187, ResNet-D)."""

    def __init__(self, before: int, after: int, stride: int, norm: str) -> None:
        super().__init__()
        self.conv1 = Normed(before, after, 3, stride, norm)
        self.conv2 = Normed(after, after, 3, 1, norm)
        averaged = [Averaged(stride)] if stride > 1 else []
        projected = [Normed(before, after, 1, 1, norm, bias=False)] if before != after else []
        self.skip = nn.Sequential(*averaged, *projected)
        self.act = nn.LeakyReLU(SLOPE, inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.act(self.conv2(self.act(self.conv1(x))) + self.skip(x))
        return out


class Stem(nn.Module):
    """One convolution that sees every voxel."""

    def __init__(self, channels: int, after: int, norm: str) -> None:
        super().__init__()
        self.convs = nn.Sequential(Normed(channels, after, 3, 1, norm))
        self.act = nn.LeakyReLU(SLOPE, inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.act(self.convs(x))
        return out


class Stage(nn.Module):
    """Blocks of one width; the first may take a stride."""

    def __init__(self, before: int, after: int, stride: int, blocks: int, norm: str) -> None:
        super().__init__()
        first = Block(before, after, stride, norm)
        self.blocks = nn.Sequential(first, *(Block(after, after, 1, norm) for _ in range(blocks - 1)))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.blocks(x)
        return out


class ResidualEncoder(nn.Module):
    """A stem and stages."""

    def __init__(self, channels: int, features: Sequence[int], blocks: Sequence[int], norm: str) -> None:
        super().__init__()
        self.stem = Stem(channels, features[0], norm)
        before = (features[0], *features[:-1])
        self.stages = nn.Sequential(
            *(
                Stage(width, after, 2 if number else 1, count, norm)
                for number, (width, after, count) in enumerate(zip(before, features, blocks, strict=True))
            )
        )


class ResidualEncoderBackbone(VolumeBackbone):
    """Levels: one a stage, the first at the input's resolution."""

    layout = Layout(("module", "net", "encoder"), (r"decoder\.", r".*\.all_modules\."))  # the latter: each layer a second time

    def levels(self, x: Tensor) -> list[Tensor]:
        levels: list[Tensor] = []
        x = self.net.stem(x)
        for stage in self.net.stages:
            x = stage(x)
            levels.append(x)
        return levels

    def layers(self) -> list[nn.Module]:
        return [self.net.stem, *self.net.stages]
