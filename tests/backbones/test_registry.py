"""Networks by name: timm's, and one's own as `module:factory`; each tells its pyramid, attention and layers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.testing import assert_close

from labelfree.backbones import Backbone, build
from labelfree.backbones.weight_card import WeightCard
from labelfree.backbones.weights import load, resize, save
from labelfree.domain import Sample
from labelfree.errors import DataError, RecipeError

VIT = {"embed_dim": 32, "depth": 5, "num_heads": 2, "patch_size": 8, "img_size": 32}


@pytest.fixture(autouse=True)
def own_modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(Path(__file__).parent)
    yield


def volumes(channels: int = 2, **options: int) -> Backbone:
    torch.manual_seed(0)
    return build("networks:SmallVolumes", channels, dims=3, options=options)


def test_a_map_is_averaged_and_keeps_its_tokens() -> None:
    backbone = volumes(width=4).eval()
    x = torch.randn(2, 2, 16, 24, 32)
    features = backbone(x)
    assert (backbone.dim, backbone.token_dim, backbone.dims) == (8, 8, 3)
    assert features.tokens is not None and features.tokens.shape == (2, 8, 4, 6, 8)
    assert_close(features.pooled, features.tokens.mean((2, 3, 4)))
    assert_close(backbone.embed(x), features.pooled)


def test_a_hidden_token_of_a_network_of_ones_own_has_no_pixels() -> None:
    backbone, x = volumes().eval(), torch.randn(1, 2, 16, 16, 16)
    hidden = torch.zeros(1, 4, 4, 4, dtype=torch.bool)
    hidden[0, 0, 0, 0] = True
    without = x.clone()
    without[:, :, :4, :4, :4] = 0
    assert_close(backbone(x, hidden).pooled, backbone.embed(without))


def test_vectors_are_taken_as_they_are_and_have_no_maps_left_out() -> None:
    backbone = build("networks:pooled", 3).eval()
    x = torch.randn(2, 3, 32, 32)
    features = backbone(x)
    assert features.tokens is None and backbone.dims == 2
    assert_close(features.pooled, backbone.net(x))
    assert [level.shape[1:] for level in backbone.pyramid(x)] == [(6, 15, 15)]
    assert backbone.attention(x) is None


def test_a_backbone_of_ones_own_fulfils_the_contract_itself() -> None:
    backbone = build("networks:whole", 3)
    assert (backbone.name, backbone.options) == ("networks:whole", {})
    attention = backbone.attention(torch.randn(2, 3, 9, 9))
    assert attention is not None
    assert_close(attention.sum((2, 3)), torch.ones(2, 4))


def test_a_factory_of_the_current_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_own_network.py").write_text("import torch\ndef make(channels):\n    return torch.nn.Conv3d(channels, 4, 3)\n")
    monkeypatch.chdir(tmp_path)
    backbone = build("my_own_network:make", 1)
    assert backbone.dims == 3 and backbone.embed(torch.zeros(1, 1, 8, 8, 8)).shape == (1, 4)


@pytest.mark.parametrize(
    "name, dims, said",
    [
        ("no_such_module:make", None, r"the module no_such_module of no_such_module:make cannot be imported \(neither installed nor in "),
        ("networks:missing", None, "networks has no missing; name the function or class"),
        ("networks:fails", None, r"networks:fails failed when called with \(3\): KeyError: 'weights'"),
        ("networks:no_network", None, "networks:no_network gives Tensor, not a torch.nn.Module with weights to learn"),
        ("networks:frozen", None, "networks:frozen gives Conv2d, not a torch.nn.Module with weights to learn"),
        ("networks:Twofold", None, r"networks:Twofold gives tuple for 2 images; it must give a vector \(2, D\) or a map"),
        ("networks:pooled", 3, r"networks:pooled takes no images of 3 spatial axes: not of \(3, 128, 128, 128\)"),
        ("networks:whole", 3, "networks:whole takes 2 spatial axes, and these images have 3"),
        (
            "resnet10t",
            3,
            "resnet10t reads pictures, and these images have 3 spatial axes; slicewise/resnet10t reads volumes slice by slice",
        ),
        ("subprocess:run", None, "subprocess:run is part of Python and makes no network"),
    ],
)
def test_what_is_wrong_with_a_factory_is_one_sentence(name: str, dims: int | None, said: str) -> None:
    with pytest.raises(RecipeError, match=rf"^backbone\.name: {said}"):
        build(name, 3, dims=dims)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_a_network_of_volumes_takes_any_number_of_channels(channels: int) -> None:
    backbone = build("networks:volumes_without_norm", channels)
    assert (backbone.dims, backbone.dim) == (3, 6)
    with pytest.raises(RecipeError, match="takes no images of 2 spatial axes"):
        build("networks:volumes_without_norm", channels, dims=2)


def test_options_reach_the_factory_or_are_refused() -> None:
    assert volumes(width=3).dim == 6
    with pytest.raises(RecipeError, match=r"failed when called with \(2, widht=3\): TypeError"):
        volumes(widht=3)
    with pytest.raises(RecipeError, match="there are no published weights for networks:SmallVolumes; use init: random"):
        build("networks:SmallVolumes", 3, dims=3, init="imagenet")


def volume_card(**changes: object) -> WeightCard:
    one = {"scale": (1.0,) * 2, "offset": (0.0,) * 2, "mean": (1.0,) * 2, "std": (2.0,) * 2}
    fields = {"architecture": "networks:SmallVolumes", "channels": ("t1", "t2"), "unit": "stored", "size": (8, 16, 16), "dims": 3}
    return WeightCard(**{**one, **fields, "options": {"width": 4}, **changes})  # type: ignore[arg-type]


def test_weights_of_a_factory_load_back_and_embed_volumes_of_any_size(tmp_path: Path) -> None:
    theirs = volumes(width=4).eval()
    loaded = load(save(theirs, volume_card(), tmp_path / "w.safetensors"))
    data = torch.randint(-9, 9, (2, 11, 20, 30), dtype=torch.int16)
    sample = Sample(data, ("t1", "t2"), (1.0,) * 2, (0.0,) * 2, "stored")
    seen = (resize(data[None].float(), (8, 16, 16)) - 1) / 2
    assert_close(loaded.embed(sample), theirs.embed(seen).detach())
    assert loaded.embed(data[None].float()).shape == (1, 8)
    with pytest.raises(DataError, match=r"w\.safetensors: the network that its card names cannot be made here\. .* networks has no Gone"):
        load(save(theirs, volume_card(architecture="networks:Gone"), tmp_path / "w.safetensors"))
    with pytest.raises(DataError, match="has 2 spatial axes, these weights want 3"):
        loaded.embed(Sample(data[:, 0], ("t1", "t2"), (1.0,) * 2, (0.0,) * 2, "stored"))
    with pytest.raises(DataError, match=r"want \(N, 2, D, H, W\)"):
        loaded.embed(torch.zeros(1, 2, 8, 8))


def test_the_stem_of_a_factory_is_fitted_by_the_channels_names(tmp_path: Path) -> None:
    theirs = volumes(2, width=4)
    path = save(theirs, volume_card(), tmp_path / "w.safetensors")
    ours = build("networks:SmallVolumes", 1, dims=3, init=path, match=lambda known: [known.index("t2")], options={"width": 4})
    assert theirs.stem == "stem.0.weight"
    assert_close(ours.net.stem[0].weight, theirs.net.stem[0].weight[:, 1:] * 2)


def test_volumes_are_resized_along_each_axis() -> None:
    ramp = torch.arange(12.0).view(1, 1, 12, 1, 1) + 100 * torch.arange(20.0).view(1, 1, 1, 1, 20)
    volume = ramp.expand(1, 1, 12, 5, 20)
    bigger = resize(volume, (24, 9, 40))
    assert_close(bigger, F.interpolate(volume, (24, 9, 40), mode="trilinear", align_corners=False))
    halved = resize(volume, (6, 5, 10))
    assert_close(halved[0, 0, 1:-1, 2, 1:-1], F.avg_pool3d(volume, (2, 1, 2))[0, 0, 1:-1, 2, 1:-1], atol=1e-3, rtol=0)
    noise = torch.randn(1, 1, 40, 40, 40)
    assert resize(noise, (10, 10, 10)).std() < 0.25, "a coarser volume does not alias"
    assert F.interpolate(noise, (10, 10, 10), mode="trilinear").std() > 0.3


@pytest.mark.parametrize("name, options", [("resnet10t", {}), ("convnext_atto", {}), ("vit_tiny_patch16_224", VIT)])
def test_a_timm_network_tells_its_pyramid_and_its_layers(name: str, options: dict) -> None:
    backbone = build(name, 3, options=options).eval()
    x = torch.randn(1, 3, 64, 64)
    levels = backbone.pyramid(x)
    assert all(level.ndim == 4 for level in levels) and [level.shape[-1] for level in levels] == sorted(
        (level.shape[-1] for level in levels), reverse=True
    )
    tokens = backbone(x).tokens
    assert tokens is not None and levels[-1].shape == tokens.shape
    assert_close(levels[-1], tokens) if name != "convnext_atto" else None  # whose head norms them
    groups = [parameter for group in backbone.param_groups() for parameter in group]
    assert len(groups) == len(set(map(id, groups))) == len(list(backbone.parameters()))
    layer = {id(parameter): number for number, group in enumerate(backbone.param_groups()) for parameter in group}
    assert layer[id(dict(backbone.net.named_parameters())[backbone.stem])] == 0, "the stem is the first layer"


@pytest.mark.parametrize("name", ["resnet10t", "convnext_atto"])
@pytest.mark.parametrize("share, held", [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0)])
def test_the_first_layers_can_be_held(name: str, share: float, held: float) -> None:
    backbone = build(name, 3)
    backbone.hold_first_layers(share)
    learn = [all(p.requires_grad for p in layer) for layer in backbone.param_groups()]
    assert learn == sorted(learn) and learn[-1], "the first ones are held, and the last one never"
    assert abs(learn.count(False) - held * len(learn)) <= 1


def test_layers_of_a_factory_are_told_in_order() -> None:
    backbone = volumes()
    assert [{id(p) for p in group} for group in backbone.param_groups()] == [
        {id(p) for p in part.parameters()} for part in (backbone.net.stem, backbone.net.stage)
    ]
    shared = nn.Linear(2, 2)
    tied = Backbone(nn.Sequential(shared, nn.ReLU(), shared), "tied", 2, dims=2, dim=2)
    assert [len(group) for group in tied.param_groups()] == [2]


@pytest.mark.parametrize("options", [{}, {"global_pool": "avg", "class_token": False}, {"reg_tokens": 2}])
def test_attention_of_a_vit_is_that_of_its_last_block(options: dict) -> None:
    """Against queries and keys of that block, multiplied by hand."""
    backbone = build("vit_tiny_patch16_224", 3, options=VIT | options).eval()
    x = torch.randn(2, 3, 32, 40)
    attention = backbone.attention(x)
    assert attention is not None and attention.shape == (2, 2, 4, 5)
    assert_close(attention.sum((2, 3)), torch.ones(2, 2))
    block = backbone.net.blocks[-1]
    before = backbone.net.forward_intermediates(x, indices=[3], return_prefix_tokens=True, output_fmt="NLC", intermediates_only=True)[0]
    tokens, prefix = before if isinstance(before, tuple) else (before, before[:, :0])
    normed = block.norm1(torch.cat([prefix, tokens], dim=1))
    queries, keys, _ = block.attn.qkv(normed).unflatten(2, (3, 2, 16)).unbind(2)
    weights = torch.einsum("bqhd,bkhd->bhqk", queries, keys).div(16**0.5).softmax(-1)
    assert_close(weights.sum(-1), torch.ones_like(weights[..., 0]))
    rows = weights[:, :, 0] if options.get("class_token", True) else weights.mean(2)
    expected = rows[..., prefix.shape[1] :]
    assert_close(attention.flatten(2), expected / expected.sum(-1, keepdim=True))


def test_a_network_without_heads_tells_no_attention() -> None:
    assert build("resnet10t", 3).attention(torch.zeros(1, 3, 32, 32)) is None
