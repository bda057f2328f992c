"""Weights refuse images on another scale than those that taught them; their card says how images are normalised."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from labelfree.backbones import build
from labelfree.backbones.weight_card import WeightCard, card_beside
from labelfree.backbones.weights import LoadedBackbone, load, save
from labelfree.domain import Sample
from labelfree.errors import DataError
from labelfree.views import BitDepth, Normalise, PerChannel, PerImage, ValueWindow

BANDS = ("B02", "B03", "B04")


def loaded(dtype: str, least: float, most: float, unit: str = "stored", scale: float = 1.0, **changes: object) -> LoadedBackbone:
    fields = {"channels": BANDS, "unit": unit, "scale": (scale,) * 3, "offset": (0.0,) * 3, "mean": (most / 2,) * 3, "std": (most / 4,) * 3}
    ends = {"dtype": dtype, "low": (least,) * 3, "high": (most,) * 3}
    card = WeightCard(**{"architecture": "resnet10t", "size": 32, **fields, **ends, **changes})  # type: ignore[arg-type]
    return LoadedBackbone(build("resnet10t", len(card.channels)), card)


def image(dtype: torch.dtype, most: float, unit: str = "stored", scale: float = 1.0, channels: tuple[str, ...] = BANDS) -> Sample:
    data = (torch.rand(len(channels), 32, 32, generator=torch.Generator().manual_seed(0)) * most).to(dtype)
    return Sample(data, channels, (scale,) * len(channels), (0.0,) * len(channels), unit, source="a.tif")


INTEGERS, FLOATS = loaded("uint16", 0, 4000), loaded("float32", 0, 0.6)


@pytest.mark.parametrize(
    ("weights", "other"),
    [(INTEGERS, image(torch.float32, 0.6)), (FLOATS, image(torch.uint16, 4000)), (FLOATS, image(torch.float32, 4000))],
)
def test_another_scale_is_refused(weights: LoadedBackbone, other: Sample) -> None:
    with pytest.raises(DataError, match=r"^a\.tif: .* values up to .* stored in B0\d, these weights were taught by .* stored as"):
        weights.embed(other)


def test_12_bits_in_16_are_not_8_bits() -> None:
    weights = loaded("uint8", 0, 1, "display", 1 / 255)
    with pytest.raises(DataError, match=r"values up to 0\.06"):
        weights.embed(image(torch.uint16, 4095, "display", 1 / 65535))
    assert weights.embed(image(torch.uint16, 65535, "display", 1 / 65535)).shape == (1, weights.dim)


@pytest.mark.parametrize("most", [3, 4000, 60000])
def test_dark_and_saturated_images_of_the_same_numbers_are_taken(most: float) -> None:
    assert INTEGERS.embed(image(torch.uint16, most)).isfinite().all()


def test_a_scale_relates_integers_and_real_numbers() -> None:
    weights = loaded("uint16", 0, 0.8, "reflectance", 1e-4)
    whole = image(torch.uint16, 6000, "reflectance", 1e-4)
    real = Sample(whole.physical(), BANDS, (1.0,) * 3, (0.0,) * 3, "reflectance")
    torch.testing.assert_close(weights.embed(whole), weights.embed(real))


def test_heat_does_not_hide_another_scale() -> None:
    kelvin = {"low": (0.0, 0.0, 270.0), "high": (0.6, 0.6, 310.0), "mean": (0.3, 0.3, 290.0), "std": (0.1, 0.1, 10.0)}
    weights = loaded("float32", 0, 0.6, "reflectance", **kelvin)
    with pytest.raises(DataError, match=r"values up to 2,99\d reflectance in B0"):
        weights.embed(image(torch.float32, 3000, "reflectance"))


def test_tensors_are_judged_too() -> None:
    draw = torch.rand(2, 3, 32, 32)
    with pytest.raises(DataError, match=r"^a tensor: float32 values up to"):
        INTEGERS.embed(draw)
    assert INTEGERS.embed(draw * 3000).shape == (2, INTEGERS.dim)
    assert FLOATS.embed(draw.bfloat16()).shape == (2, FLOATS.dim)


def test_of_nothing_there_are_no_vectors_and_an_empty_image_is_refused() -> None:
    assert FLOATS.embed([]).shape == (0, FLOATS.dim)
    sample = image(torch.float32, 0.5)
    empty = replace(sample, measured=torch.zeros(32, 32, dtype=torch.bool))
    with pytest.raises(DataError, match=r"^a\.tif: none of its pixels holds a measurement"):
        FLOATS.embed(empty)


def test_numbers_that_are_not_finite_are_no_measurement_as_in_a_run() -> None:
    """Whatever a domain's reader makes of them: they get the mean of the others, and an image of nothing else is refused."""
    sample = image(torch.float32, 0.5)
    torn, filled = sample.data.clone(), sample.data.clone()
    torn[1, :4], torn[0, 0, 0] = torch.nan, torch.inf
    known = torn.isfinite().all(0)
    filled[:, ~known] = filled[:, known].mean(1, keepdim=True)
    torch.testing.assert_close(FLOATS.embed(replace(sample, data=torn)), FLOATS.embed(replace(sample, data=filled)))
    with pytest.raises(DataError, match=r"^a\.tif: none of its pixels holds a measurement"):
        FLOATS.embed(replace(sample, data=torch.full_like(torn, torch.nan)))


def test_batches_give_each_image_what_it_gets_alone_in_the_order_given() -> None:
    """Of several sizes, from an iterator that is read once, more than pass through the network together."""
    draw = torch.Generator().manual_seed(5)
    sizes = [(32, 32), (40, 24), (20, 20)] * 4
    flat = ((1.0,) * 3, (0.0,) * 3, "stored")
    images = [Sample(torch.rand(3, *size, generator=draw) * 0.6, BANDS, *flat) for size in sizes]
    alone = torch.cat([FLOATS.embed(image, 64) for image in images])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("labelfree.backbones.weights.PIXELS", 5 * 64 * 64)
        together = FLOATS.embed(iter(images), 64)
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def saved_card(folder: Path, **changes: object) -> Path:
    card = replace(FLOATS.card, **changes)  # type: ignore[arg-type]
    return save(FLOATS.backbone, card, folder / "own.safetensors")


@pytest.mark.parametrize("normalise", [PerImage(), ValueWindow(0.1, 0.4), BitDepth(1)], ids=lambda each: each.kind)
def test_a_card_keeps_another_kind_of_normalisation(normalise: Normalise, tmp_path: Path) -> None:
    again = load(saved_card(tmp_path, mean=(), std=(), normalisation=normalise.told()))
    assert again.card.normalise.told() == normalise.told()
    sample = image(torch.float32, 0.5)
    torch.testing.assert_close(again.embed(sample), again.backbone.embed(normalise(sample.physical()[None])))
    half = torch.zeros(32, 32, dtype=torch.bool)
    half[:16] = True
    marred = replace(sample, data=torch.where(half, sample.data, 0.55), measured=half)
    expected = again.backbone.embed(normalise(marred.physical()[None], half[None]))
    torch.testing.assert_close(again.embed(marred), expected)


def test_a_card_written_before_is_read_per_channel(tmp_path: Path) -> None:
    path = saved_card(tmp_path).with_suffix(".json")
    told = json.loads(path.read_text())
    del told["normalisation"], told["dims"]
    path.write_text(json.dumps(told))
    card = card_beside(path)
    assert card is not None and isinstance(card.normalise, PerChannel)
    x = torch.rand(2, 3, 8, 8)
    mean, std = (torch.tensor(numbers).view(1, 3, 1, 1) for numbers in (card.mean, card.std))
    assert torch.equal(card.normalise(x), (x - mean) / std)


@pytest.mark.parametrize(
    ("normalisation", "sentence"),
    [
        ({"kind": "channel", "mean": [0.0] * 3, "std": [1.0] * 3}, "its mean and std are not those beside it"),
        ({"kind": "windw", "low": 0, "high": 1}, "did you mean window"),
        ({"low": 0, "high": 1}, "no kind 'None'"),
    ],
)
def test_a_card_that_contradicts_itself_is_refused(normalisation: dict, sentence: str, tmp_path: Path) -> None:
    path = saved_card(tmp_path, normalisation=normalisation)
    with pytest.raises(DataError, match=rf"own\.json: not a weight card that this version reads \(normalisation: .*{sentence}"):
        load(path)
