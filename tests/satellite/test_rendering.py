"""Pictures: for ImageNet networks, and for people."""

from __future__ import annotations

import numpy as np
import torch
from labelfree_satellite import Satellite
from torch.testing import assert_close

from labelfree.domain import Sample
from tests.satellite.files import SENTINEL


def test_reflectance_is_shown_with_a_third_as_white_and_not_clamped() -> None:
    x = torch.zeros(1, 13, 2, 2)
    x[:, 3], x[:, 2], x[:, 1] = 0.3, 0.15, 0.6
    picture = Satellite(sensor="sentinel-2-l1c").render(x, SENTINEL, "reflectance")
    assert picture is not None
    assert_close(picture[0, :, 0, 0], torch.tensor([1.0, 0.5, 2.0]))


def test_pictures_are_shown_as_they_are() -> None:
    x = torch.rand(2, 3, 4, 4)
    picture = Satellite().render(x, ("blue", "green", "red"), "display")
    assert picture is not None and torch.equal(picture, x.flip(1))


def test_unknown_units_are_shown_by_each_image_alone() -> None:
    x = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 50.0, 9000.0]).view(3, 1, 1, 1)
    picture = Satellite().render(x, ("red", "green", "blue"), "stored")
    alone = Satellite().render(x[1:2], ("red", "green", "blue"), "stored")
    assert picture is not None and alone is not None
    assert_close(picture[1:2], alone)
    assert (picture.flatten(1).quantile(0.98, dim=1) - 1).abs().max() < 1e-3


def test_unnamed_bands_have_no_colours() -> None:
    assert Satellite().render(torch.zeros(1, 4, 2, 2), ("band_1", "band_2", "band_3", "band_4"), "stored") is None


def test_preview_keeps_hues_and_fills_the_range() -> None:
    ramp = torch.linspace(0, 1, 4096).view(64, 64)
    sample = Sample(torch.stack([ramp, ramp * 0.5, ramp * 0.25]), ("red", "green", "blue"), (1.0,) * 3, (0.0,) * 3, "reflectance")
    picture = Satellite().preview(sample)
    assert picture.shape == (64, 64, 3) and picture.dtype == np.uint8 and picture.min() == 0 and picture.max() == 255
    red, green, blue = picture.reshape(-1, 3).astype(int).mean(0)
    assert red > 1.7 * green > 2 * blue


def test_preview_without_colours_is_gray() -> None:
    sample = Sample(torch.rand(4, 8, 8), tuple(f"band_{k}" for k in range(1, 5)), (1.0,) * 4, (0.0,) * 4, "stored")
    picture = Satellite().preview(sample)
    assert (picture[..., 0] == picture[..., 2]).all() and np.ptp(picture) == 255


def test_preview_of_a_constant_image_is_no_error() -> None:
    picture = Satellite().preview(Sample(torch.full((1, 8, 8), 3.0), ("gray",), (1.0,), (0.0,), "display"))
    assert picture.shape == (8, 8, 3)
