"""Networks of volumes by name: each fulfils the contract of a backbone, at any size, and equals MONAI's own where it has one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.testing import assert_close

from labelfree.backbones import Backbone, build, statistics_kept, volume_networks
from labelfree.backbones.base import without_dropout
from labelfree.backbones.volume_networks import PRESETS
from labelfree.errors import RecipeError

CHANNELS = 2
SHAPE = (2, CHANNELS, 20, 40, 33)  # ragged: no multiple of any stride
SMALL: dict[str, dict[str, Any]] = {  # each kind, as narrow as it gets
    "monai_resnet10": {"widen_factor": 0.125},
    "monai_resnet18": {"widen_factor": 0.125},  # shortcut A
    "monai_resnet50": {"widen_factor": 0.125, "norm": "group"},
    "monai_swinunetr_12": {"window_size": 3, "depths": (1, 1, 1, 1)},
    "monai_vit_tiny_8": {"hidden_size": 24, "num_layers": 3, "img_size": 32},
    "monai_dynunet_16": {"filters": (4, 8, 16)},
    "nnunet_resenc_l": {"features": (4, 8, 16), "blocks": (1, 2, 1)},
}
kinds = pytest.mark.parametrize("name", SMALL)


def small(name: str, channels: int = CHANNELS, **options: Any) -> Backbone:
    torch.manual_seed(0)
    return build(name, channels, dims=3, options={**SMALL[name], **options})


@pytest.fixture(scope="module")
def volumes() -> Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))


@kinds
def test_one_pass_gives_vectors_tokens_and_a_pyramid(name: str, volumes: Tensor) -> None:
    backbone = small(name).eval()
    features, levels = backbone(volumes), backbone.pyramid(volumes)
    assert features.tokens is not None and backbone.dims == 3
    assert features.pooled.shape == (2, backbone.dim) and features.tokens.shape[:2] == (2, backbone.token_dim)
    assert_close(backbone.embed(volumes), features.pooled)
    assert_close(levels[-1], features.tokens)
    grids = [tuple(level.shape[2:]) for level in levels]
    assert grids == sorted(grids, reverse=True) and all(level.shape[0] == 2 for level in levels)


@pytest.mark.parametrize("name", ["monai_dynunet_16", "nnunet_resenc_l"])
def test_a_unets_first_level_sees_every_voxel(name: str, volumes: Tensor) -> None:
    assert small(name).pyramid(volumes)[0].shape[2:] == volumes.shape[2:]


def test_the_narrow_network_has_16_channels_at_full_resolution() -> None:
    whole = build("monai_dynunet_16", 1, dims=3)
    assert [level.shape[1:] for level in whole.pyramid(torch.zeros(1, 1, 16, 16, 16))] == [
        (16 << level, *(16 >> level,) * 3) for level in range(5)
    ]


@kinds
def test_gradients_reach_every_parameter_and_layers_hold_each_once(name: str, volumes: Tensor) -> None:
    backbone = small(name).train()
    features = backbone(volumes)
    assert features.tokens is not None
    (features.pooled.square().sum() + features.tokens.square().sum()).backward()
    assert not [key for key, parameter in backbone.named_parameters() if parameter.grad is None or not parameter.grad.any()]
    layers = backbone.param_groups()
    assert sorted(id(p) for layer in layers for p in layer) == sorted(map(id, backbone.parameters()))
    stem = dict(backbone.net.named_parameters())[str(backbone.stem)]
    assert any(stem is parameter for parameter in layers[0]) and stem.shape[1] == CHANNELS


@kinds
def test_a_view_smaller_than_a_patch_or_a_stride_has_a_vector(name: str) -> None:
    """Of thick slices there may be two."""
    backbone = small(name)
    backbone.require_size((2, 12, 12), "pretrain.size")
    with torch.inference_mode():
        assert torch.isfinite(backbone.eval().embed(torch.randn(1, CHANNELS, 2, 12, 12))).all()


@kinds
def test_a_batch_does_not_change_what_one_volume_is_in_evaluation(name: str, volumes: Tensor) -> None:
    backbone = small(name).eval()
    with torch.inference_mode():
        assert_close(backbone.embed(volumes)[:1], backbone.embed(volumes[:1]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in SMALL if name not in ("monai_resnet10", "monai_resnet18")])
def test_norms_look_at_each_volume_alone_in_training_too(name: str, volumes: Tensor) -> None:
    backbone = small(name).train()
    assert_close(backbone.embed(volumes)[:1], backbone.embed(volumes[:1]), rtol=1e-4, atol=1e-5)


def test_batch_statistics_of_a_resnet_can_be_frozen_and_kept(volumes: Tensor) -> None:
    backbone = small("monai_resnet10").train()
    with statistics_kept(backbone):
        backbone.embed(volumes)
    assert not backbone.net.bn1.running_mean.any()
    backbone.embed(volumes)
    moved = backbone.net.bn1.running_mean.clone()
    assert moved.any()
    backbone.freeze_statistics()
    backbone.train().embed(volumes)
    assert_close(backbone.net.bn1.running_mean, moved)


def test_hidden_patches_of_a_vit_are_the_mask_token_and_a_cnns_have_no_pixels(volumes: Tensor) -> None:
    vit = small("monai_vit_tiny_8").eval()
    hidden = torch.zeros(2, 3, 5, 5, dtype=torch.bool)
    hidden[0, 1, 2, 3] = True
    token = torch.randn(24)
    other = volumes.clone()
    other[0, :, 8:16, 16:24, 24:32] += 5  # within the hidden patch
    assert_close(vit(volumes, hidden, token).pooled, vit(other, hidden, token).pooled)
    assert not torch.allclose(vit(volumes).pooled[0], vit(other).pooled[0])
    assert not torch.allclose(vit(volumes, hidden, token).pooled[0], vit(volumes, hidden, -token).pooled[0])
    unet, grid = small("monai_dynunet_16").eval(), torch.zeros(2, 5, 10, 9, dtype=torch.bool)
    grid[0, 0, 0, 0] = True
    without = volumes.clone()
    without[0, :, :4, :4, :4] = 0
    assert_close(unet(volumes, grid).pooled, unet.embed(without))


@pytest.mark.parametrize("options", [{}, {"class_token": False}])
def test_attention_of_a_vit_is_a_volume_that_sums_to_one(options: dict[str, bool], volumes: Tensor) -> None:
    """Against queries and keys of the last block, multiplied by hand."""
    vit = small("monai_vit_tiny_8", **options).eval()
    seen: list[Tensor] = []
    vit.net.blocks[-1].attn.qkv.register_forward_hook(lambda _layer, _inputs, out: seen.append(out))
    attention = vit.attention(volumes)
    assert attention is not None and attention.shape == (2, 3, 3, 5, 5)
    queries, keys, _ = seen[0].unflatten(2, (3, 3, 8)).unbind(2)
    weights = torch.einsum("bqhd,bkhd->bhqk", queries, keys).div(8**0.5).softmax(-1)
    rows = weights[:, :, 0, 1:] if not options else weights.mean(2)
    assert_close(attention.flatten(2), rows / rows.sum(-1, keepdim=True))
    assert vit.net.blocks[-1].attn.use_flash_attention, "as fast as before"
    assert small("monai_dynunet_16").attention(volumes) is None


def test_patches_follow_thick_slices_and_positions_any_size() -> None:
    vit = small("monai_vit_tiny_8", patch_size=[2, 8, 8], img_size=[8, 32, 32]).eval()
    tokens = vit(torch.randn(1, CHANNELS, 10, 33, 24)).tokens
    assert tokens is not None and tokens.shape == (1, 24, 5, 5, 3)
    assert vit.patch_embedding() is vit.net.patch_embedding.patch_embeddings


def test_positions_are_interpolated_linearly_along_each_axis() -> None:
    from labelfree.backbones.monai_vit import resampled

    positions = torch.randn(1, 4 * 3 * 2, 5, requires_grad=True)
    expected = F.interpolate(positions.mT.unflatten(2, (4, 3, 2)), (3, 7, 5), mode="trilinear").flatten(2).mT
    assert_close(resampled(positions, (4, 3, 2), (3, 7, 5)), expected)


def test_paths_of_monais_networks_are_never_dropped_where_none_should_be(volumes: Tensor) -> None:
    backbone = small("monai_swinunetr_12", drop_path_rate=0.9).train()
    without_dropout(backbone)
    assert_close(backbone.embed(volumes), backbone.embed(volumes), rtol=0, atol=0)


def test_a_resnet_is_monais_with_gradients_through_its_shortcuts() -> None:
    """MONAI's shortcut A takes `.data`; what it gives is the same."""
    from monai.networks.nets import resnet

    ours = small("monai_resnet18", 1).eval()
    theirs = resnet.resnet18(
        spatial_dims=3, n_input_channels=1, conv1_t_stride=2, shortcut_type="A", widen_factor=0.125, feed_forward=False
    )
    theirs.load_state_dict(ours.net.state_dict())
    x = torch.randn(1, 1, 24, 40, 32, requires_grad=True)
    assert_close(ours.embed(x), theirs.eval()(x))
    block = ours.net.layer2[0]
    for parameter in block.conv2.parameters():
        nn.init.zeros_(parameter)
    gradient = torch.autograd.grad(block(torch.rand(1, 8, 4, 4, 4).requires_grad_()).sum(), block.bn2.bias)[0]
    assert gradient.any()
    y = torch.rand(1, 8, 4, 4, 4, requires_grad=True)
    assert block.downsample(y).sum().backward() is None and y.grad is not None and y.grad[..., ::2, ::2, ::2].eq(1).all()


def test_a_swin_encoder_is_that_of_monais_swin_unetr() -> None:
    from monai.networks.nets import SwinUNETR

    ours = build("monai_swinunetr_12", 1, dims=3, options={"depths": (1, 1, 1, 1)}).eval()
    theirs = SwinUNETR(in_channels=1, out_channels=2, feature_size=12, depths=(1, 1, 1, 1)).swinViT.eval()
    theirs.load_state_dict(ours.net.state_dict())
    x = torch.randn(1, 1, 32, 32, 32)
    with torch.inference_mode():
        for level, other in zip(ours.pyramid(x), theirs(x, normalize=True), strict=True):
            assert_close(level, other)


def test_a_vit_is_monais_at_the_size_of_its_positions() -> None:
    from monai.networks.nets import ViT

    ours = small("monai_vit_tiny_8", 1, dropout_rate=0.0).eval()
    theirs = ViT(1, 32, 8, 24, 96, 3, 3, classification=True, num_classes=1, post_activation="", qkv_bias=True).eval()
    missing = theirs.load_state_dict(ours.net.state_dict(), strict=False)
    assert not missing.unexpected_keys and all("cross_attn" in key or "classification_head" in key for key in missing.missing_keys)
    theirs.classification_head = nn.Identity()
    x = torch.randn(1, 1, 32, 32, 32)
    with torch.inference_mode():
        seen = theirs.norm(theirs(x)[1][-1])
    features = ours(x)
    assert features.tokens is not None and features.prefix is not None
    assert_close(torch.cat([features.prefix, features.tokens.flatten(2).mT], dim=1), seen, rtol=1e-4, atol=1e-5)
    assert_close(features.pooled, seen[:, 0], rtol=1e-4, atol=1e-5)


def test_a_dynunets_encoder_is_monais() -> None:
    from monai.networks.nets import DynUNet

    strides, filters = [[1, 1, 1], [1, 2, 2], [2, 2, 2]], (4, 8, 16)
    ours = small("monai_dynunet_16", strides=strides, norm="instance").eval()
    theirs = DynUNet(3, CHANNELS, 2, [3, 3, 3], strides, strides[1:], filters=filters).eval()
    theirs.load_state_dict(ours.net.state_dict(), strict=False)
    x = torch.randn(1, CHANNELS, 8, 16, 16)
    levels = ours.pyramid(x)
    assert [tuple(level.shape[2:]) for level in levels] == [(8, 16, 16), (8, 8, 8), (4, 4, 4)], "thick slices stay apart longer"
    assert_close(levels[-1], theirs.bottleneck(theirs.downsamples[0](theirs.input_block(x))))


def test_what_a_name_or_an_option_cannot_be_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RecipeError, match=r"did you mean .*monai_vit_tiny_8"):
        build("monai_vit_tiny8", 1)
    with pytest.raises(
        RecipeError, match=r"^backbone\.name: monai_resnet10 reads volumes, and these images have 2 spatial axes; take one of"
    ):
        build("monai_resnet10", 1, dims=2)
    with pytest.raises(
        RecipeError, match=r"^backbone\.options\.heads: monai_vit_tiny_8 has no such option; it has size, patch_size, .*num_heads"
    ):
        build("monai_vit_tiny_8", 1, options={"heads": 3})
    for name, options in (
        ("monai_vit_tiny_8", {"hidden_size": 25}),
        ("monai_swinunetr_12", {"num_heads": (5, 5, 5, 5)}),
        ("monai_dynunet_16", {"strides": [1, 2]}),
        ("monai_resnet18", {"norm": "layer"}),
        ("nnunet_resenc_l", {"blocks": (1, 1)}),
    ):
        with pytest.raises(RecipeError, match=rf"^backbone\.options: {name} does not take "):
            build(name, 1, options=options)
    with pytest.raises(
        RecipeError, match=r"^backbone\.init: no weights of pictures fit monai_resnet10, a network of volumes.* imagenet may"
    ):
        build("monai_resnet10", 3, dims=3, init="imagenet")
    monkeypatch.setitem(PRESETS, "monai_resnet10", volume_networks.Preset("monai_of_tomorrow:resnet"))
    with pytest.raises(RecipeError, match=r"stands on MONAI, which is not installed here \(.*\); pip install 'monai>=1.3' einops"):
        build("monai_resnet10", 1)


def test_one_voxel_has_no_spread_to_be_normed_by() -> None:
    with pytest.raises(
        RecipeError, match=r"^pretrain\.local_size: nnunet_resenc_l keeps a single voxel .*; take larger ones, or .*norm: group"
    ):
        small("nnunet_resenc_l").train().require_size(4, "pretrain.local_size")
    small("nnunet_resenc_l", norm="group").require_size(4, "pretrain.local_size")
    small("nnunet_resenc_l").require_size(8, "pretrain.local_size")


@pytest.mark.slow
@pytest.mark.parametrize("name", PRESETS)
def test_every_name_makes_a_network(name: str) -> None:
    """Takes half a minute: some have a hundred million parameters."""
    backbone = build(name, 1, dims=3)
    assert backbone.name == name and backbone.options == {}
    assert backbone.embed(torch.zeros(1, 1, 64, 64, 64)).shape == (1, backbone.dim)
