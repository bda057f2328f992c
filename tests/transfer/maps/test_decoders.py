"""Heads on levels of real networks."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

import labelfree
from labelfree.backbones import build
from labelfree.errors import RecipeError
from labelfree.progress import Silent
from labelfree.transfer.maps import picture_decoders
from labelfree.transfer.maps.decoders import DECODERS, Decoder, decoder_of

TINY_VIT = {"embed_dim": 24, "depth": 4, "num_heads": 2}


def levels_of(name: str, channels: int, shape: tuple[int, ...], **options: object) -> list[Tensor]:
    with torch.no_grad():
        return build(name, channels, options=options).eval().pyramid(torch.randn(2, channels, *shape))


@pytest.mark.parametrize("shape", [(64, 64), (101, 93), (33, 50)], ids=str)
@pytest.mark.parametrize("pixels", [0, 5])
@pytest.mark.parametrize("decoder", ["unet", "fpn", "deeplabv3plus"])
@pytest.mark.parametrize("channels", [3, 7])
def test_a_cnn_is_decoded_to_every_pixel(decoder, channels, pixels, shape):
    levels = [torch.randn(2, pixels, *shape)] * (pixels > 0) + levels_of("tf_efficientnet_lite0", channels, shape)
    logits = decoder_of(levels, shape, 3, decoder)(levels, shape)
    assert logits.shape == (2, 3, *shape)


@pytest.mark.parametrize("shape", [(64, 64), (101, 93)], ids=str)
@pytest.mark.parametrize("decoder", ["auto", "unet", "fpn", "deeplabv3plus"])
@pytest.mark.parametrize("patch", [8, 14, 16])
def test_a_vit_is_decoded_to_every_pixel(decoder, patch, shape):
    levels = levels_of(f"vit_small_patch{patch}_224" if patch != 14 else "vit_small_patch14_dinov2", 4, shape, **TINY_VIT)
    logits = decoder_of(levels, shape, 3, decoder)(levels, shape)
    assert logits.shape == (2, 3, *shape)


@pytest.mark.parametrize(
    ("name", "options", "chosen"),
    [
        ("tf_efficientnet_lite0", {}, "unet"),
        ("convnext_atto", {}, "unet"),
        ("vit_tiny_patch16_224", TINY_VIT, "dpt"),
        ("vit_small_patch8_224", TINY_VIT, "dpt"),
        ("vit_small_patch14_dinov2", TINY_VIT, "fpn"),
    ],
)
def test_the_usual_decoder_goes_by_the_levels(name, options, chosen):
    levels = levels_of(name, 3, (112, 112), **options)
    assert decoder_of(levels, (112, 112), 2).config["decoder"] == chosen


def test_every_arm_has_one_block_on_every_pixel():
    shape, network, pixels = (64, 64), levels_of("tf_efficientnet_lite0", 3, (64, 64)), torch.randn(2, 21, 64, 64)
    for levels in ([pixels], network, [pixels, *network]):
        head = decoder_of(levels, shape, 2)
        assert head.config["decoder"] == "unet"
        assert len(seen_at(head, levels, shape)) == 2  # convolutions of 3 x 3


def seen_at(head: Decoder, levels: list[Tensor], shape: tuple[int, ...]) -> list[torch.nn.Module]:
    found: list[torch.nn.Module] = []
    for layer in head.body.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.register_forward_hook(lambda layer, _inputs, out: found.append(layer) if tuple(out.shape[2:]) == shape else None)
    head(levels, shape)
    return found


@pytest.mark.parametrize("decoder", [name for name, body in DECODERS.items() if body.axes == 2])
def test_no_decoder_is_wider_than_asked(decoder):
    levels = levels_of("vit_tiny_patch16_224", 3, (64, 64), **TINY_VIT)
    head = decoder_of(levels, (64, 64), 3, decoder, width=32)
    widths = [layer.out_channels for layer in head.body.modules() if isinstance(layer, torch.nn.Conv2d)]
    joined = 32 + 48  # in DeepLabV3+, with its first level, as published
    assert max(widths) <= (joined if decoder == "deeplabv3plus" else 32)


def test_a_head_is_made_again_from_its_config():
    shape, levels = (48, 40), [torch.randn(2, 5, 48, 40), *levels_of("tf_efficientnet_lite0", 3, (48, 40))]
    head = decoder_of(levels, shape, 3).eval()
    head.measure([levels])
    again = Decoder(**head.config).eval()
    again.load_state_dict(head.state_dict())
    torch.testing.assert_close(again(levels, shape), head(levels, shape), rtol=0, atol=0)


def test_levels_are_standardised_by_what_was_measured():
    levels = [torch.randn(6, 3, 20, 20) * torch.tensor([1e-3, 1.0, 1e4]).view(1, 3, 1, 1) + torch.tensor([5.0, 0.0, -3e4]).view(1, 3, 1, 1)]
    head = decoder_of(levels, (20, 20), 2)
    head.measure([[levels[0][:2]], [levels[0][2:]]])
    torch.testing.assert_close(head.mean0, levels[0].mean((0, 2, 3)))
    torch.testing.assert_close(head.std0, levels[0].std((0, 2, 3), correction=0), rtol=1e-3, atol=0)


def test_a_channel_that_never_changes_stays_finite():
    levels = [torch.full((2, 1, 8, 8), 0.1)]
    head = decoder_of(levels, (8, 8), 2)
    head.measure([levels])
    assert head.std0.tolist() == [1.0]
    assert head(levels, (8, 8)).isfinite().all()


def test_dpt_refuses_what_it_cannot_read():
    with pytest.raises(RecipeError, match="dpt reads the tokens of a ViT whose patches are 8, 16, 32 pixels wide"):
        decoder_of(levels_of("vit_small_patch14_dinov2", 3, (112, 112), **TINY_VIT), (112, 112), 2, "dpt")


def test_an_unknown_decoder_is_named():
    with pytest.raises(RecipeError, match="unetpp is no decoder of images with 2 spatial axes; there are deeplabv3plus, dpt, fpn, unet"):
        decoder_of([torch.zeros(1, 4, 8, 8)], (8, 8), 2, "unetpp")


def test_without_the_library_a_sentence_says_what_to_install(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("segmentation_models_pytorch")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", None)
    with pytest.raises(RecipeError, match=r"pip install 'labelfree\[dense\]'"):
        decoder_of([torch.zeros(1, 4, 8, 8)], (8, 8), 2)


def test_what_is_not_installed_is_told_before_any_image_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A comparison comes after a pretraining: nobody waits for that sentence."""
    monkeypatch.setattr(picture_decoders, "find_spec", lambda name: None)
    asked = ["data.card=null", f"data.root={tmp_path / 'nowhere'}", "data.labels=masks"]
    with pytest.raises(RecipeError, match=r"frozen and finetune need segmentation_models_pytorch.*pip install 'labelfree\[dense\]'"):
        labelfree.run("satellite_segment", asked, tmp_path / "run", say=Silent())
