"""The encoder of MONAI's Swin UNETR (Hatamizadeh et al. 2022, arXiv:2201.01266): windows of a 3D Swin transformer."""

from __future__ import annotations

from collections.abc import Sequence

from monai.networks.nets.swin_unetr import SwinTransformer
from torch import Tensor, nn

from labelfree.backbones.layouts import Layout
from labelfree.backbones.volume_networks import AXES, VolumeBackbone


def swinunetr(
    channels: int,
    feature_size: int = 24,
    depths: Sequence[int] = (2, 2, 2, 2),
    num_heads: Sequence[int] = (3, 6, 12, 24),
    window_size: int | Sequence[int] = 7,
    patch_size: int | Sequence[int] = 2,
    drop_path_rate: float = 0.0,
    use_checkpoint: bool = False,
    use_v2: bool = False,
) -> SwinBackbone:
    """`SwinUNETR(channels, …).swinViT`; keywords are those of `monai.networks.nets.SwinUNETR`."""
    if any(feature_size * 2**level % heads for level, heads in enumerate(num_heads)):
        raise ValueError(f"feature_size: {feature_size} is no multiple of the heads {tuple(num_heads)}")
    net = SwinTransformer(
        channels,
        feature_size,
        _each_axis(window_size),
        _each_axis(patch_size),
        tuple(depths),
        tuple(num_heads),
        drop_path_rate=drop_path_rate,
        norm_layer=nn.LayerNorm,
        use_checkpoint=use_checkpoint,
        spatial_dims=AXES,
        use_v2=use_v2,
    )
    return SwinBackbone(net, channels, feature_size * 2 ** len(depths))


def _each_axis(value: int | Sequence[int]) -> tuple[int, ...]:
    return (value,) * AXES if isinstance(value, int) else tuple(value)


class SwinBackbone(VolumeBackbone):
    """Levels: patches at half the resolution, then what each of four stages gives, normalised as Swin UNETR's decoder reads them.

    Hidden tokens have no pixels, as in a CNN: they only exist at the end.
    """

    layout = Layout(
        ("module", "swinViT", "swin_vit", "backbone", "net"),
        (
            r"(rotation|contrastive)_(pre|head)\.",  # of the three tasks that the published encoder was taught by (arXiv:2111.14791)
            r"conv\.",
            r"encoder\d+\.",  # of the segmentation network
            r"decoder\d+\.",
            r"out\.",
        ),
        ((r"\.mlp\.fc(\d)\.", r".mlp.linear\1."),),
    )

    def levels(self, x: Tensor) -> list[Tensor]:
        levels: list[Tensor] = self.net(x, normalize=True)
        return levels

    def layers(self) -> list[nn.Module]:
        net = self.net
        stages = [nn.ModuleList([getattr(net, f"layers{stage}c", nn.Identity()), getattr(net, f"layers{stage}")]) for stage in range(1, 5)]
        return [net.patch_embed, *stages]
