"""Heads that decode a pyramid of features into the classes of pixels, by the decoders of libraries: pictures and volumes have their own.

The encoder stays the project's own `Backbone`; the library's decoders are given its levels. So no weight is carried from one network's
names to another's, and none can be lost on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from labelfree.errors import RecipeError
from labelfree.transfer.maps import picture_decoders, volume_decoders
from labelfree.transfer.maps.base import MapHead, to_shape
from labelfree.transfer.maps.layout import Body, Layout
from labelfree.transfer.tiles.scaled_levels import ScaledLevels

AUTO = "auto"
WIDTH = 64  # most channels of a decoder
CONVOLUTIONS: Mapping[int, type[nn.Module]] = {2: nn.Conv2d, 3: nn.Conv3d}  # axes -> of one cell
DECODERS: Mapping[str, type[Body]] = {
    "unet": picture_decoders.Unet,
    "fpn": picture_decoders.Fpn,
    "deeplabv3plus": picture_decoders.DeepLabV3Plus,
    "dpt": picture_decoders.Dpt,
    "unet3d": volume_decoders.VolumeUnet,
}
USUAL: Mapping[int, Callable[[Layout], str]] = {2: picture_decoders.usual, 3: volume_decoders.usual}  # axes -> what AUTO takes


class Decoder(ScaledLevels, MapHead):
    """Levels, each channel standardised -> one map of features -> the classes of every pixel.

    `decoder`: a key of DECODERS. `classes`: K. `pixels`: channels of the levels that have a cell for every pixel; `levels`: those of the
    coarser ones. `width`: most channels of the decoder. `placed`: what else the decoder is made of (`Body.placed`).
    """

    def __init__(self, decoder: str, classes: int, pixels: Sequence[int], levels: Sequence[int], width: int = WIDTH, **placed: Any) -> None:
        super().__init__()
        self.config = {
            "decoder": decoder, "classes": classes, "pixels": list(pixels), "levels": list(levels), **placed, "width": width,
        }  # fmt: skip
        self.fine = len(pixels)
        self.hold_scales((*pixels, *levels))
        self.body = DECODERS[decoder](pixels, levels, width, **placed)
        self.classify = CONVOLUTIONS[self.body.axes](self.body.out, classes, 1)

    def forward(self, levels: Sequence[Tensor], shape: tuple[int, ...]) -> Tensor:
        known = self.standardised(levels)
        pixels = [to_shape(level, shape) for level in known[: self.fine]]
        return to_shape(self.classify(self.body(pixels, known[self.fine :], shape)), shape)


def decoder_of(levels: Sequence[Tensor], shape: tuple[int, ...], classes: int, decoder: str = AUTO, width: int = WIDTH) -> Decoder:
    """A fresh head for levels (B, C_l, *grid_l), finest first, of tiles of `shape`. Its weights come from torch's random numbers.

    `decoder`: a key of DECODERS; AUTO: the usual one for what the levels look like.
    Raises RecipeError for a decoder that is none or reads other axes, and where its library is missing.
    """
    layout, axes = Layout.of(levels, tuple(shape)), len(shape)
    if axes not in USUAL:
        raise RecipeError(f"evaluate.protocols: frozen and finetune decode pictures and volumes, these images have {axes} spatial axes.")
    fitting = sorted(name for name, body in DECODERS.items() if body.axes == axes)
    if decoder != AUTO and decoder not in fitting:
        raise RecipeError(f"{decoder} is no decoder of images with {axes} spatial axes; there are {', '.join(fitting)}.")
    name = USUAL[axes](layout) if decoder == AUTO else decoder
    return Decoder(name, classes, layout.pixels, layout.levels, width=width, **DECODERS[name].placed(layout))
