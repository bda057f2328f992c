"""Decoders of pictures: those of segmentation-models-pytorch, given levels of features instead of an encoder of its own."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from labelfree.errors import RecipeError
from labelfree.transfer.maps.base import to_shape
from labelfree.transfer.maps.layout import FINEST, Body, Layout

LIBRARY = "segmentation_models_pytorch"
STRIDES = (4, 8, 16, 32)  # pixels to one cell of a level, in decoders that take four levels
RATES = (2, 4, 6)  # of DeepLabV3+'s dilated convolutions; 12, 24 and 36 as published reach past the 8 x 8 cells of a tile
PATCHES = (8, 16, 32)  # of a ViT: sides that DPT brings to its strides by whole factors


class PictureBody(Body):
    """A decoder of pictures. `patch`: side of a ViT's patches that DPT takes, else 0."""

    @staticmethod
    def placed(layout: Layout) -> dict[str, Any]:
        return {"patch": patch_of(layout)}


def usual(layout: Layout) -> str:
    """U-Net where levels differ in size, as a CNN's do, or pixels are all there is; DPT for the equal grids of a ViT, and where its patches
    are 14 pixels wide, which DPT refuses, FPN on levels interpolated to STRIDES.
    """
    if not layout.equal:
        return "unet"
    return "dpt" if patch_of(layout) else "fpn"


def patch_of(layout: Layout) -> int:
    """The side of PATCHES that equal grids are made of, 0 where there is none."""
    if not layout.equal:
        return 0
    cells = list(zip(layout.shape, layout.grids[0], strict=True))
    return next((side for side in PATCHES if all(-(-pixels // side) == places for pixels, places in cells)), 0)


class Unet(PictureBody):
    """U-Net (Ronneberger et al. 2015, arXiv:1505.04597): each level joins the next finer one. Of pixels alone: two 3x3 convolutions.

    Whatever levels there are, one block works on every pixel, FINEST wide; the next is twice as wide, and so on up to `width`.
    """

    def __init__(self, pixels: Sequence[int], levels: Sequence[int], width: int, patch: int) -> None:
        super().__init__()
        blocks = max(1, len(levels))
        channels = [min(width, FINEST << step) for step in range(blocks)]
        self.out = channels[0]
        fine = [sum(pixels)] if pixels else []
        decoder = _library("decoders.unet.decoder").UnetDecoder
        self.decoder = decoder([0, *fine, *levels], channels[::-1], n_blocks=blocks)
        _start(self)

    def forward(self, pixels: list[Tensor], levels: list[Tensor], shape: tuple[int, ...]) -> Tensor:
        fine = [torch.cat(pixels, 1)] if pixels else []
        whole = (*fine, *levels)[0].new_empty(0, 0, *shape)  # the library reads the image's size off a level that it drops
        found: Tensor = self.decoder([whole, *fine, *levels])
        return found


class FromFour(PictureBody):
    """What decoders share that read four levels at STRIDES and give a map of fewer cells than there are pixels.

    A level that stands at another stride is brought to its own by interpolation: the tokens of a ViT's four blocks, and stages whose
    sides are odd. Pixels join at the end by a block of the U-Net.
    """

    def __init__(self, pixels: Sequence[int], levels: Sequence[int], width: int) -> None:
        super().__init__()
        self.last: nn.Module | None = None
        self.out = FINEST if pixels else width
        if pixels:
            self.narrow = nn.Conv2d(width, FINEST, 1)  # before it is as large as the tile
            self.last = _library("decoders.unet.decoder").UnetDecoderBlock(FINEST, sum(pixels), FINEST)
        self.widths = _four(list(levels))

    def forward(self, pixels: list[Tensor], levels: list[Tensor], shape: tuple[int, ...]) -> Tensor:
        found = self.decode(levels, shape)
        return found if self.last is None else self.last(self.narrow(found), *shape, torch.cat(pixels, 1))

    def decode(self, levels: list[Tensor], shape: tuple[int, ...]) -> Tensor:
        """(B, width, *grid)."""
        raise NotImplementedError


class Fpn(FromFour):
    """Panoptic feature pyramid (Kirillov et al. 2019, arXiv:1901.02446): four levels, added up at stride 4."""

    def __init__(self, pixels: Sequence[int], levels: Sequence[int], width: int, patch: int) -> None:
        super().__init__(pixels, levels, width)
        decoder = _library("decoders.fpn.decoder").FPNDecoder
        self.decoder = decoder(self.widths, encoder_depth=4, pyramid_channels=width, segmentation_channels=width, dropout=0.0)
        _start(self)

    def decode(self, levels: list[Tensor], shape: tuple[int, ...]) -> Tensor:
        found: Tensor = self.decoder([at_stride(level, stride, shape) for level, stride in zip(_four(levels), STRIDES, strict=True)])
        return found


class DeepLabV3Plus(FromFour):
    """DeepLabV3+ (Chen et al. 2018, arXiv:1802.02611): the last level at stride 16, seen at several distances, joins that at stride 4."""

    def __init__(self, pixels: Sequence[int], levels: Sequence[int], width: int, patch: int) -> None:
        super().__init__(pixels, levels, width)
        self.decoder = _library("decoders.deeplabv3.decoder").DeepLabV3PlusDecoder(
            [0, 0, self.widths[0], self.widths[-1]], 4, width, RATES, output_stride=16, aspp_separable=True, aspp_dropout=0.0
        )
        _start(self)

    def decode(self, levels: list[Tensor], shape: tuple[int, ...]) -> Tensor:
        first, *_, last = _four(levels)
        found: Tensor = self.decoder([None, None, at_stride(first, 4, shape), at_stride(last, 16, shape)])
        return found


class Dpt(FromFour):
    """Dense prediction transformer (Ranftl et al. 2021, arXiv:2103.13413): four blocks of a ViT, brought to STRIDES by convolutions."""

    def __init__(self, pixels: Sequence[int], levels: Sequence[int], width: int, patch: int) -> None:
        super().__init__(pixels, levels, width)
        if patch not in PATCHES:
            sides = ", ".join(map(str, PATCHES))
            raise RecipeError(f"dpt reads the tokens of a ViT whose patches are {sides} pixels wide; take the decoder fpn.")
        self.patch = patch
        middle = [min(width, FINEST << step) for step in range(len(STRIDES))]
        self.decoder = _library("decoders.dpt.decoder").DPTDecoder(
            self.widths, [patch] * len(STRIDES), encoder_has_prefix_tokens=False, readout="ignore",
            intermediate_channels=middle, fusion_channels=width,
        )  # fmt: skip
        _start(self)

    def decode(self, levels: list[Tensor], shape: tuple[int, ...]) -> Tensor:
        four = [at_stride(level, self.patch, shape) for level in _four(levels)]
        found: Tensor = self.decoder(four, [None] * len(four))
        return found


def at_stride(level: Tensor, stride: int, shape: tuple[int, ...]) -> Tensor:
    """A level brought to `stride` pixels a cell, of an image whose sides are whole multiples of the coarsest of STRIDES."""
    coarsest = STRIDES[-1]
    return to_shape(level, tuple(-(-side // coarsest) * (coarsest // stride) for side in shape))


def _four(levels: list[Any]) -> list[Any]:
    """The four coarsest, the last one again where there are fewer."""
    return [*levels, *levels[-1:] * (len(STRIDES) - len(levels))][-len(STRIDES) :]


def _start(body: nn.Module) -> None:
    """Weights as the library's own models begin."""
    _library("base.initialization").initialize_decoder(body)


def require_library() -> None:
    """Raises RecipeError where segmentation-models-pytorch is not installed; it is not imported for that."""
    if find_spec(LIBRARY) is None:
        raise RecipeError(
            f"evaluate.protocols: frozen and finetune need {LIBRARY}, which is not installed: pip install 'labelfree[dense]'."
        )


def _library(module: str) -> Any:
    """A module of segmentation-models-pytorch."""
    require_library()
    return import_module(f"{LIBRARY}.{module}")
