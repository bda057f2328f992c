"""The encoder of MONAI's DynUNet, as nnU-Net's (Isensee et al. 2021, arXiv:1904.08128): its first level sees every voxel."""

from __future__ import annotations

from collections.abc import Sequence

from monai.networks.blocks.dynunet_block import UnetBasicBlock, UnetResBlock
from monai.networks.nets import DynUNet
from torch import Tensor, nn

from labelfree.backbones.layouts import Layout
from labelfree.backbones.volume_networks import AXES, VolumeBackbone, normed_by

PerAxis = int | Sequence[int]


def dynunet(
    channels: int,
    filters: Sequence[int] = (16, 32, 64, 128, 256),
    strides: Sequence[PerAxis] | None = None,
    kernel_size: PerAxis | Sequence[PerAxis] = 3,
    norm: str = "group",
    res_block: bool = False,
) -> DynUNetBackbone:
    """One level for each of `filters`; keywords are those of `monai.networks.nets.DynUNet`.

    `strides`: of each level, left out 1 and then 2; [1, 2, 2] keeps the first axis, for slices that are thick. `norm`: MONAI's and
    nnU-Net's networks have `instance`, which takes the mean of each channel of a volume away, and so what a pooled vector could tell.
    """
    strides = (1, *(2,) * (len(filters) - 1)) if strides is None else strides
    kernels = [kernel_size] * len(filters) if isinstance(kernel_size, int) else list(kernel_size)
    if not len(strides) == len(kernels) == len(filters):
        raise ValueError(f"strides, kernel_size: {len(filters)} levels have {len(strides)} strides and {len(kernels)} kernels")
    return DynUNetBackbone(normed_by(Encoder(channels, filters, strides, kernels, res_block), norm), channels, filters[-1])


class Encoder(nn.Module):
    """The way down of a DynUNet; tensors are called as in the whole network."""

    def __init__(
        self, channels: int, filters: Sequence[int], strides: Sequence[PerAxis], kernels: Sequence[PerAxis], res_block: bool
    ) -> None:
        super().__init__()
        block = UnetResBlock if res_block else UnetBasicBlock
        widths = [channels, *filters]
        blocks = [
            block(AXES, before, after, kernel, stride, "batch")
            for before, after, kernel, stride in zip(widths, filters, kernels, strides, strict=False)
        ]
        self.input_block, self.downsamples, self.bottleneck = blocks[0], nn.ModuleList(blocks[1:-1]), blocks[-1]
        self.apply(DynUNet.initialize_weights)

    def levels(self) -> list[nn.Module]:
        return [self.input_block, *self.downsamples, self.bottleneck]


class DynUNetBackbone(VolumeBackbone):
    """Levels: one a block, the first at the input's resolution."""

    layout = Layout(
        ("module", "backbone", "net"), (r"skip_layers\.", r"upsamples\.", r"output_block\.", r"deep_supervision_heads\.")
    )  # the skip layers hold the same blocks once more

    def levels(self, x: Tensor) -> list[Tensor]:
        levels = []
        for block in self.net.levels():
            x = block(x)
            levels.append(x)
        return levels

    def layers(self) -> list[nn.Module]:
        layers: list[nn.Module] = self.net.levels()
        return layers
