"""Decoders of volumes on levels as networks give them: cubes and slabs, even and odd sides, stages of a CNN and blocks of a ViT."""

from __future__ import annotations

import json
import sys

import pytest
import torch
from torch import Tensor, nn

from labelfree.errors import RecipeError
from labelfree.transfer.maps.decoders import Decoder, decoder_of
from labelfree.transfer.maps.layout import Layout
from labelfree.transfer.maps.volume_decoders import VolumeUnet, strides_of

pytest.importorskip("monai")
CUBE = (32, 32, 32)
SHAPES = {
    "cnn": ([8, 16, 32], [(16, 16, 16), (8, 8, 8), (4, 4, 4)], CUBE),
    "cnn with a level of voxels": ([16, 16, 32], [CUBE, (16, 16, 16), (8, 8, 8)], CUBE),
    "odd sides": ([4, 8, 16, 32], [(33, 31, 7), (17, 16, 4), (9, 8, 2), (5, 4, 1)], (33, 31, 7)),
    "slices that stay": ([8, 16], [(6, 12, 12), (6, 6, 6)], (6, 24, 24)),
    "vit of 16": ([24] * 4, [(2, 2, 2)] * 4, CUBE),
    "vit of 8": ([24] * 4, [(4, 4, 4)] * 4, CUBE),
    "voxels alone": ([3], [(12, 10, 9)], (12, 10, 9)),
    "one coarse level": ([8], [(2, 2, 2)], (24, 24, 24)),
}


def levels_of(kind: str, seed: int = 0) -> tuple[list[Tensor], tuple[int, ...]]:
    widths, grids, shape = SHAPES[kind]
    draw = torch.Generator().manual_seed(seed)
    return [torch.randn(2, width, *grid, generator=draw) for width, grid in zip(widths, grids, strict=True)], shape


@pytest.mark.parametrize("kind", SHAPES)
def test_every_voxel_is_decoded_and_every_weight_learns(kind: str) -> None:
    levels, shape = levels_of(kind)
    head = decoder_of(levels, shape, 3)
    logits = head(levels, shape)
    assert logits.shape == (2, 3, *shape)
    logits.square().mean().backward()
    assert all(one.grad is not None and one.grad.abs().max() > 0 for name, one in head.named_parameters() if "weight" in name)


@pytest.mark.parametrize("kind", ["odd sides", "vit of 16", "voxels alone"])
def test_a_head_is_made_again_from_what_json_keeps(kind: str) -> None:
    levels, shape = levels_of(kind)
    head = decoder_of(levels, shape, 3).eval()
    head.measure([levels])
    again = Decoder(**json.loads(json.dumps(head.config))).eval()
    again.load_state_dict(head.state_dict())
    assert torch.equal(again(levels, shape), head(levels, shape))


@pytest.mark.parametrize("kind", SHAPES)
def test_every_level_has_a_say(kind: str) -> None:
    levels, shape = levels_of(kind)
    head = decoder_of(levels, shape, 2).eval()
    told = head(levels, shape)
    for at, level in enumerate(levels):
        other = [*levels[:at], level + torch.randn(level.shape, generator=torch.Generator().manual_seed(1)), *levels[at + 1 :]]
        assert not torch.equal(head(other, shape), told), at


@pytest.mark.parametrize(
    ("kind", "strides"),
    [
        ("cnn", [(2, 2, 2)] * 3),
        ("odd sides", [(2, 2, 2)] * 3),
        ("slices that stay", [(1, 2, 2)] * 2),
        ("vit of 16", [(2, 2, 2)] * 4),
        ("vit of 8", [(2, 2, 2)] * 3 + [(1, 1, 1)]),
        ("one coarse level", [(4, 4, 4)]),  # the rest is interpolated
    ],
)
def test_rises_lead_from_level_to_level(kind: str, strides: list[tuple[int, ...]]) -> None:
    assert strides_of(Layout.of(*levels_of(kind))) == strides


@pytest.mark.parametrize("width", [16, 32])
def test_no_convolution_is_wider_than_asked(width: int) -> None:
    levels, shape = levels_of("vit of 16")
    body = decoder_of(levels, shape, 3, width=width).body
    assert isinstance(body, VolumeUnet)
    assert max(layer.out_channels for layer in body.modules() if isinstance(layer, nn.Conv3d | nn.ConvTranspose3d)) == width


def test_a_decoder_of_pictures_reads_none() -> None:
    levels, shape = levels_of("cnn")
    with pytest.raises(RecipeError, match="fpn is no decoder of images with 3 spatial axes; there are unet3d"):
        decoder_of(levels, shape, 2, "fpn")


def test_without_the_library_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "monai"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "monai", None)
    with pytest.raises(RecipeError, match=r"need monai for volumes.*pip install 'labelfree\[medical\]'"):
        decoder_of(*levels_of("cnn"), 2)
