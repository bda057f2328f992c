"""Weights refuse images on another scale than those that taught them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from labelfree.backbones import build
from labelfree.backbones.weight_card import WeightCard
from labelfree.backbones.weights import LoadedBackbone
from labelfree.domain import Sample
from labelfree.errors import DataError

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
