"""Weights that torchgeo publishes, from a local file in its layout, and its samplers. torchgeo itself is the oracle."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from labelfree_satellite import Satellite, generated_patches
from labelfree_satellite.patches import GeoPatches
from labelfree_satellite.published_weights import normalisation
from torch.testing import assert_close

import labelfree
from labelfree.backbones.weight_card import card_beside
from labelfree.backbones.weights import network_input
from labelfree.data.manifest import manifest_from_dataset
from labelfree.data.pool import build_pool
from labelfree.domain import Fingerprint
from labelfree.errors import DataError, RecipeError
from labelfree.pipeline.starts import Starts
from labelfree.progress import Silent
from labelfree.recipe import BackboneSettings
from tests.satellite.files import write_tif

MOCO = "ResNet18_Weights.SENTINEL2_ALL_MOCO"


def published(folder: Path, architecture: str, channels: int, **options: int) -> Path:
    """Random numbers in the layout of torchgeo's files: timm's names, the classifier left out."""
    torch.manual_seed(0)
    net = timm.create_model(architecture, in_chans=channels, num_classes=0, **options)
    torch.save(net.state_dict(), folder / "published.pth")
    return folder / "published.pth"


@pytest.mark.parametrize(
    ("name", "architecture", "bands", "unit"),
    [
        (MOCO, "resnet18", 13, "reflectance"),
        ("ViTSmall16_Weights.SENTINEL2_ALL_DINO", "vit_small_patch16_224", 13, "reflectance"),
        ("ResNet18_Weights.SENTINEL2_RGB_MOCO", "resnet18", 3, "reflectance"),
        ("ResNet50_Weights.SENTINEL1_ALL_MOCO", "resnet50", 2, "dB"),
        ("ViTSmall14_DINOv2_Weights.SENTINEL2_ALL_SOFTCON", "vit_small_patch14_dinov2", 13, "reflectance"),
    ],
)
def test_a_converted_file_answers_by_itself(tmp_path: Path, name: str, architecture: str, bands: int, unit: str) -> None:
    from torchgeo.models import get_weight

    size = {"img_size": 224} if architecture.startswith("vit") else {}
    file = published(tmp_path, architecture, bands, **size)
    loaded = labelfree.load(labelfree.convert(file, name))
    card = loaded.card
    assert (card.architecture, len(card.channels), card.unit, card.size) == (architecture, bands, unit, 224)
    stored = torch.randint(-3000, 8000, (2, bands, 256, 256)).float() / (400 if unit == "dB" else 1)
    theirs = get_weight(name).transforms({"image": stored.clone()})["image"]
    ours = network_input(stored * card.scale[0], card.normalise, 256)
    assert_close(ours[..., 16:-16, 16:-16], theirs, rtol=1e-4, atol=1e-4)
    net = timm.create_model(architecture, in_chans=bands, num_classes=0, **size).eval()
    net.load_state_dict(torch.load(file, weights_only=True))
    with torch.inference_mode():
        assert_close(loaded.backbone.embed(theirs), net(theirs), rtol=1e-4, atol=1e-4)


def test_bands_of_sentinel_2_are_in_torchgeos_order(tmp_path: Path) -> None:
    """Its statistics tell: the eleventh is cirrus, which is dark; B8A stands in the ninth place."""
    card = card_beside(labelfree.convert(published(tmp_path, "resnet18", 13), MOCO))
    assert card is not None and card.channels[8:11] == ("B8A", "B09", "B10")


@pytest.mark.slow
def test_an_arm_and_a_start_from_published_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole run on a few of the generated scenes, whose bands are Sentinel-2's in another order."""
    monkeypatch.setattr(generated_patches, "SPLITS", {"pretrain": 4, "train": 8, "test": 3})
    monkeypatch.setenv("LABELFREE_CACHE", str(tmp_path / "cache"))  # other tests share the whole set
    weights = labelfree.convert(published(tmp_path, "resnet18", 13), MOCO, tmp_path / "ssl4eo")
    small = [
        "data.card=generated-satellite", "backbone.name=resnet18", f"backbone.init={weights}", "pretrain.steps=2", "pretrain.minutes=null",
        "pretrain.batch_size=4", "pretrain.size=32", "pretrain.options={hidden: 32, local_crops: 0}", "evaluate.labels_per_class=[5]",
        "evaluate.draws=2", "evaluate.sizes=[64]", f"evaluate.arms=[statistics, imagenet+domain, {{name: ssl4eo, weights: {weights}}}]",
        "evaluate.protocols=[knn]", "evaluate.primary={arm: imagenet+domain, against: ssl4eo, protocol: knn, budget: 5}",
    ]  # fmt: skip
    run = labelfree.run("satellite_dino", small, tmp_path / "run", say=Silent())
    own, theirs = card_beside(run.folder / "backbone.safetensors"), card_beside(weights)
    assert own is not None and theirs is not None and own.channels != theirs.channels
    for channel, mean, std in zip(own.channels, own.mean, own.std, strict=True):
        at = theirs.channels.index(channel)
        assert (mean, std) == pytest.approx((theirs.mean[at], theirs.std[at]), rel=1e-5), "pretrained under another normalisation"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("ResNet18_Weights.SENTINEL2_ALL_MOKO", "did you mean ResNet18_Weights.SENTINEL2_ALL_MOCO"),
        ("ResNet18_Weights.LANDSAT_OLI_SR_MOCO", "trained on SSL4EO-L, whose numbers are in no unit that is known here"),
    ],
)
def test_what_is_not_known_is_said(tmp_path: Path, name: str, sentence: str) -> None:
    with pytest.raises(RecipeError, match=re.escape(sentence)):
        labelfree.convert(published(tmp_path, "resnet18", 7), name)
    assert [file.name for file in tmp_path.iterdir()] == ["published.pth"]


def test_tensors_of_another_network_and_files_in_the_way_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not fit the network"):
        labelfree.convert(published(tmp_path, "resnet50", 13), MOCO)
    file = published(tmp_path, "resnet18", 13)
    labelfree.convert(file, MOCO)
    with pytest.raises(DataError, match=r"published\.safetensors: exists already; name another file with --out"):
        labelfree.convert(file, MOCO)


def test_transforms_that_a_card_cannot_say_are_refused() -> None:
    assert normalisation(lambda x: (x - 5) / 20, 2) == (pytest.approx((5, 5)), pytest.approx((20, 20)), 256)
    with pytest.raises(RecipeError, match="clamped or bent"):
        normalisation(lambda x: (x / 2000).clamp(max=1), 2)
    with pytest.raises(RecipeError, match="more than a normalisation"):
        normalisation(lambda x: x + torch.arange(256.0), 2)


def test_bands_that_images_lack_are_shown_their_mean(tmp_path: Path) -> None:
    """Level 2A has no cirrus band."""
    weights = labelfree.convert(published(tmp_path, "resnet18", 13), MOCO)
    loaded = labelfree.load(weights)
    channels = tuple(name for name in reversed(loaded.card.channels) if name != "B10")
    ones, zeros = (1.0,) * 12, (0.0,) * 12
    seen = Fingerprint(1, channels, "float32", "reflectance", ones, zeros, (64, 64), (64, 64), zeros, ones)
    starts = Starts(BackboneSettings(), Satellite(sensor="sentinel-2-l2a"), seen, ones, zeros)
    x = torch.rand(2, 12, 64, 64)
    prepare = starts.as_loaded(loaded.card)(x, 64)
    assert prepare.shape == (2, 13, 64, 64) and float(prepare[:, loaded.card.channels.index("B10")].abs().max()) < 1e-6
    for at, name in enumerate(loaded.card.channels):
        if name != "B10":
            assert_close(prepare[:, at], (x[:, channels.index(name)] - loaded.card.mean[at]) / loaded.card.std[at])


def test_torchgeos_samplers_give_images_to_pretrain_on(tmp_path: Path) -> None:
    from torchgeo.datasets import RasterDataset
    from torchgeo.samplers import GridGeoSampler, RandomGeoSampler

    data = np.arange(3 * 128 * 128).reshape(3, 128, 128).astype(np.uint16)
    write_tif(tmp_path / "scene.tif", data, names=("blue", "green", "red"))
    dataset = RasterDataset(tmp_path)
    grid = GeoPatches(dataset, GridGeoSampler(dataset, size=32, stride=32))
    assert len(grid) == 16 and {tuple(grid[i].shape) for i in range(16)} == {(3, 32, 32)}
    assert sorted(int(patch.min()) for patch in (grid[i] for i in range(16))) == sorted(
        int(data[0, i : i + 32, j : j + 32].min()) for i in range(0, 128, 32) for j in range(0, 128, 32)
    )
    drawn = GeoPatches(dataset, RandomGeoSampler(dataset, size=32, length=20))
    assert len(drawn) == 20 and torch.equal(drawn[7], drawn[7])
    manifest = manifest_from_dataset(grid, ("blue", "green", "red"), labels=[None] * 16, unit="stored")
    assert manifest.read is not None
    pool = build_pool(manifest.rows, manifest.read, {}, tmp_path / "pool", say=Silent(), workers=8)
    assert all(torch.equal(pool[i], pickle.loads(pickle.dumps(grid))[i].to(pool.dtype)) for i in range(16))
    small = ["backbone.name=test_resnet", "backbone.init=random", "pretrain.steps=2", "pretrain.minutes=null", "pretrain.batch_size=4"]
    small += ["evaluate.arms=[random, domain]", "evaluate.primary={arm: domain, against: random, budget: 5}"]
    run = labelfree.run("satellite_simclr", small, tmp_path / "run", manifest=manifest, say=Silent())
    assert run.report is not None and "generated" not in (run.folder / "backbone.json").read_text(encoding="utf-8")
