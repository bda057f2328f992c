"""The Python API on real files: what the command line does, without it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from labelfree_satellite import generated_patches

import labelfree as lf
from labelfree.errors import DataError, RecipeError

FEW = {"pretrain": 2, "train": 1, "test": 1}  # scenes


@pytest.fixture(scope="module")
def generated(tmp_path_factory) -> Path:
    """The generated sample, as a user would write it, but of few scenes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generated_patches, "SPLITS", FEW)
        return lf.sample_data(tmp_path_factory.mktemp("data") / "generated", "satellite", seed=1)


@pytest.fixture
def images(generated, tmp_path) -> Path:
    """A folder of a person's own: a few GeoTIFFs without labels."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for path in sorted((generated / "images").iterdir())[:6]:
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


@pytest.mark.slow
def test_a_survey_counts_what_is_there(generated):
    found = lf.show_data(generated)
    told = "\n".join(found.lines())
    assert f"{len(found.manifest.rows)} images" in told and "13 channels" in told and "classes (" in told and not found.read
    assert len(found.manifest.rows) == sum(FEW.values()) * generated_patches.PATCHES
    rgb = lf.show_data("generated-satellite-rgb")
    assert rgb.first is not None and rgb.first.channels == ("red", "green", "blue")
    assert len(rgb.manifest.rows) == sum(generated_patches.SPLITS.values()) * generated_patches.PATCHES


def test_a_sound_folder_has_no_faults(images):
    found = lf.check_data(images)
    assert (found.read, found.faults) == (6, [])


def test_a_truncated_image_and_one_of_other_bands_are_both_named(images):
    import rasterio

    names = sorted(path.name for path in images.iterdir())
    cut = images / names[3]
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 3])
    with rasterio.open(images / names[5]) as source:
        profile, bands = {**source.profile, "count": 12}, source.read()[:12]
    with rasterio.open(images / names[5], "w", **profile) as target:
        target.write(bands)
    faults = lf.check_data(images).faults
    assert len(faults) == 2 and names[3] in faults[0] and names[5] in faults[1] and "12" in faults[1]


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        lf.show_data(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"data\.root"):
        lf.show_data("eurosat-ms", ["data.root=/nowhere/at/all"])


def test_a_sample_is_never_written_over_something(images):
    with pytest.raises(RecipeError, match="not an empty folder"):
        lf.sample_data(images, "satellite")


def test_reading_says_which_domains_there_are(images):
    with pytest.raises(RecipeError, match="installed domains: inspection, medical, satellite"):
        lf.read(next(images.iterdir()), domain="astronomy")


def test_embedding_takes_paths_and_samples_and_refuses_other_bands(images, tmp_path):
    from labelfree.backbones.build import build
    from labelfree.backbones.weight_card import WeightCard
    from labelfree.backbones.weights import save

    first = lf.read(next(images.iterdir()))
    n = len(first.channels)
    backbone = build("tf_efficientnet_lite0", n, init="random")
    numbers = {"scale": first.scale, "offset": first.offset, "mean": (2000.0,) * n, "std": (500.0,) * n}
    card = WeightCard(architecture="tf_efficientnet_lite0", channels=first.channels, unit=first.unit, size=32, **numbers)
    save(backbone, card, tmp_path / "backbone.safetensors")
    for weights in (tmp_path, tmp_path / "backbone.safetensors", lf.load(tmp_path)):
        vectors = lf.embed(weights, [first, *sorted(images.iterdir())[:2]])
        assert vectors.shape == (3, 1280) and vectors.dtype == np.float32 and np.isfinite(vectors).all()
    np.testing.assert_allclose(lf.embed(tmp_path, first), vectors[:1], rtol=1e-3, atol=1e-5)  # alone or in a batch
    for nothing in ([], (), iter([])):
        assert lf.embed(tmp_path, nothing).shape == (0, 1280) and lf.embed(tmp_path, nothing).dtype == np.float32
    assert lf.embed(tmp_path, (path for path in images.iterdir())).shape == (len(list(images.iterdir())), 1280)
    for wrong in (None, 3, [np.zeros((3, 8, 8))]):
        with pytest.raises(DataError, match=r"is no image; give paths, or what labelfree\.read returns"):
            lf.embed(tmp_path, wrong)

    rgb = lf.show_data("generated-satellite-rgb").first
    with pytest.raises(DataError, match="missing"):
        lf.embed(tmp_path, rgb)


def test_every_attribute_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nothing_like_this"):
        _ = lf.nothing_like_this
