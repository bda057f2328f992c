"""Physical numbers become a network's input: four kinds, kept as JSON, exact in what they say."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from labelfree.errors import DataError
from labelfree.views import Augmentation, BitDepth, Normalise, PerChannel, PerImage, ValueWindow, ViewPipeline, normalise_of
from tests.views.ops import seeded

KINDS = [PerChannel([3.0, -40.0], [2.0, 0.1]), PerImage(), ValueWindow(-1000, 400), BitDepth(12)]


def batch(axes: int = 2, images: int = 3) -> Tensor:
    return torch.rand(images, 2, *(12, 14, 10)[:axes], generator=seeded(axes)) * 1000 - 600


@pytest.mark.parametrize("axes", [2, 3], ids=["pictures", "volumes"])
@pytest.mark.parametrize("normalise", KINDS, ids=lambda each: each.kind)
def test_a_kind_comes_back_from_json_and_from_its_numbers(normalise: Normalise, axes: int) -> None:
    physical = batch(axes)
    again = normalise_of(json.loads(json.dumps(normalise.told())))
    assert again.told() == normalise.told() and repr(again) == repr(normalise)
    fitted = again.of(physical)
    normal = fitted(physical)
    assert torch.equal(normal, normalise(physical)) and normal.shape == physical.shape
    assert_close(fitted.in_one_pass(physical), normal, rtol=1e-5, atol=1e-4)
    assert_close(fitted.inverse(normal), physical, rtol=1e-5, atol=1e-2)
    centre = torch.tensor(normalise.centre(2)).view(1, 2, *(1,) * axes).expand_as(physical)
    assert torch.equal(normalise(centre.contiguous()), torch.zeros_like(physical))


@given(st.integers(0, 10**6), st.booleans())
def test_each_image_has_its_own_mean_and_spread_over_its_measured_pixels(seed: int, whole: bool) -> None:
    draw = np.random.default_rng(seed)
    pixels = draw.normal(draw.uniform(-500, 500, (3, 2, 1, 1)), draw.uniform(1, 90, (3, 2, 1, 1)), (3, 2, 9, 8))
    measured = np.ones((3, 9, 8), bool) if whole else draw.random((3, 9, 8)) < 0.7
    filled = np.where(measured[:, None], pixels, 10_000)
    normal = PerImage()(torch.tensor(filled, dtype=torch.float32), None if whole else torch.from_numpy(measured)).numpy()
    for image, known, known_mask in zip(normal, pixels, measured, strict=True):
        for channel, numbers in zip(image, known, strict=True):
            seen = numbers[known_mask]
            np.testing.assert_allclose(channel[known_mask], (seen - seen.mean()) / seen.std(ddof=1), atol=2e-3)


def test_an_image_that_shows_nothing_is_0() -> None:
    flat = torch.full((2, 1, 4, 4), 7.0)
    assert (PerImage()(flat) == 0).all() and (PerImage()(flat, torch.zeros(2, 4, 4, dtype=torch.bool)).isfinite()).all()
    assert (PerImage()(flat[..., :1, :1]) == 0).all()  # one pixel has no spread


def test_a_window_shows_nothing_beyond_its_ends() -> None:
    hounsfield = torch.tensor([-2000.0, -1000.0, -300.0, 400.0, 3000.0]).view(1, 1, 1, 5)
    assert ValueWindow(-1000, 400)(hounsfield).flatten().tolist() == [-1, -1, 0, 1, 1]
    assert BitDepth(12)(torch.tensor([0.0, 4095.0, 8190.0]).view(1, 1, 1, 3)).flatten().tolist() == [-1, 1, 3]


def test_views_of_an_image_share_its_statistics() -> None:
    """A crop of air beside a bone stays air: statistics are the image's, not the crop's."""
    stored = torch.zeros(2, 1, 32, 32)
    stored[:, :, :, 16:] = 100.0
    whole = PerImage()(stored)
    pipeline = ViewPipeline(Augmentation(ratio=(1.0, 1.0)), PerImage(), [1.0], [0.0])
    views = pipeline.many(stored, 4, 8, (0.05, 0.1), seeded(0), partners=stored * 2 + 5)
    low, high = whole.min(), whole.max()
    assert views.min() >= low - 1e-4 and views.max() <= high + 1e-4
    flat = views[views.flatten(1).std(1) < 1e-6]
    assert len(flat) and ((flat - low).abs().amin() < 1e-4 or (flat - high).abs().amin() < 1e-4)


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({"kind": "chanel", "mean": [0.0], "std": [1.0]}, r"no kind 'chanel'; did you mean channel\?"),
        ({}, r"no kind 'None'; there are channel, image, window, depth\."),
        ({"kind": "window", "low": 4}, r"the kind window is not made of \{'low': 4\}"),
        ({"kind": "window", "low": 4, "high": 4}, r"the window begins at 4 and ends at 4"),
        ({"kind": "depth", "bits": 0}, r"a depth of 0 bits"),
        ({"kind": "channel", "mean": [0.0], "std": [1.0, 2.0]}, r"1 means and 2 standard deviations"),
    ],
)
def test_what_is_no_normalisation_is_refused(told: dict, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        normalise_of(told)
