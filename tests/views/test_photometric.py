"""Gains, noise, blur and resolution against what they claim, and against kornia."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from labelfree.views import (
    Blur,
    ChannelDrop,
    ChannelGain,
    ChannelOffset,
    Contrast,
    Erase,
    Gamma,
    Grayscale,
    LowResolution,
    Noise,
    SharedGain,
    SharedOffset,
)
from tests.views.ops import seeded, smooth_field


def test_blur_equals_kornia() -> None:
    from kornia import filters  # takes a second to import

    x = torch.randn(5, 4, 40, 40, generator=seeded(0))
    sigma = torch.tensor([0.4, 0.8, 1.0, 1.7, 2.5])
    theirs = filters.gaussian_blur2d(x, (25, 25), torch.stack([sigma, sigma], dim=1))
    inside = (..., slice(12, -12), slice(12, -12))  # kornia mirrors the image at its edge, we renormalise
    assert_close(Blur().apply(x, sigma)[inside], theirs[inside], rtol=0, atol=1e-5)


def test_blur_keeps_a_constant_up_to_the_edge() -> None:
    assert_close(Blur().apply(torch.full((2, 1, 9, 9), 7.0), torch.tensor([0.5, 3.0])), torch.full((2, 1, 9, 9), 7.0))


def test_low_resolution_by_two_is_mean_then_interpolation() -> None:
    x = torch.randn(3, 2, 32, 32, generator=seeded(0))
    expected = F.interpolate(F.avg_pool2d(x, 2), 32, mode="bilinear")
    assert_close(LowResolution().apply(x, torch.full((3,), 2.0)), expected, rtol=0, atol=1e-5)


def test_shared_gain_keeps_ratios() -> None:
    x = torch.rand(4, 5, 8, 8, generator=seeded(0)) + 0.1
    out = SharedGain(0.5)(x, seeded(1))
    ndvi = lambda image: (image[:, 3] - image[:, 0]) / (image[:, 3] + image[:, 0])  # noqa: E731
    assert_close(ndvi(out), ndvi(x))
    assert not torch.allclose(out, x)


def test_channel_gain_stays_within_its_strength() -> None:
    gains = ChannelGain(0.05)(torch.ones(200, 13, 1, 1), seeded(0)).flatten()
    assert 0.95 <= gains.min() < 0.952 and 1.048 < gains.max() <= 1.05


def test_contrast_keeps_means_and_scales_deviations() -> None:
    x = torch.randn(3, 4, 16, 16, generator=seeded(0)) + 7
    out = Contrast().apply(x, torch.tensor([0.5, 1.0, 1.6]))
    assert_close(out.mean((2, 3)), x.mean((2, 3)))
    assert_close(out.std((2, 3)), x.std((2, 3)) * torch.tensor([[0.5], [1.0], [1.6]]))


def test_grayscale_is_the_mean_of_the_channels() -> None:
    x = torch.randn(4, 3, 8, 8, generator=seeded(0))
    out = Grayscale().apply(x, torch.tensor([1.0, 0.0, 1.0, 0.0]))
    assert_close(out[::2], x[::2].mean(1, keepdim=True).expand(-1, 3, -1, -1))
    assert torch.equal(out[1::2], x[1::2])


def test_noise_has_the_deviation_drawn() -> None:
    noise = Noise((0.01, 0.05), p=1.0)
    params = noise.draw(6, seeded(0))
    assert_close(noise.apply(torch.zeros(6, 4, 64, 64), params).flatten(1).std(1), params.strength, rtol=0.03, atol=0)


def test_probability_is_a_share_of_the_samples() -> None:
    out = Noise((0.1, 0.1), p=0.3)(torch.zeros(2000, 1, 2, 2), seeded(0))
    assert 0.26 < (out.flatten(1) != 0).any(1).float().mean() < 0.34


@pytest.mark.parametrize("channels", [1, 2, 3, 13])
def test_never_all_channels_are_dropped(channels: int) -> None:
    out = ChannelDrop(1.0, p=1.0)(torch.ones(300, channels, 2, 2), seeded(0))
    left = out[:, :, 0, 0].sum(1)
    assert (left.min() >= 1 and left.max() < channels) or channels == 1


def test_erase_takes_one_box_of_the_share_drawn() -> None:
    erase = Erase((0.25, 0.25), p=1.0)
    out = erase(smooth_field(5, 2, 64, 64) + 10, seeded(0))
    gone = (out == 0).all(1)
    assert_close(gone.float().mean((1, 2)), torch.full((5,), 1 / 16), rtol=0.1, atol=0)
    for one in gone:
        rows, columns = one.any(1).sum(), one.any(0).sum()
        assert one.sum() == rows * columns


@pytest.mark.parametrize("shift", [0.0, -1000.0])
def test_gamma_keeps_mean_deviation_and_order(shift: float) -> None:
    x = smooth_field(6, 3, 32, 32) + shift
    out = Gamma((0.5, 2.0), p=1.0)(x, seeded(0))
    assert_close(out.mean((2, 3)), x.mean((2, 3)), rtol=0, atol=1e-3)
    assert_close(out.std((2, 3)), x.std((2, 3)), rtol=1e-3, atol=0)
    assert not torch.allclose(out, x, atol=0.05)
    rank = x.flatten(2).argsort(2)
    assert (out.flatten(2).gather(2, rank).diff(dim=2) >= -1e-3).all()


def test_gamma_equals_monai() -> None:
    transforms = pytest.importorskip("monai.transforms", reason="the extra `medical` is not installed")
    x = smooth_field(1, 1, 20, 20)
    ours = Gamma().apply(x, torch.tensor([1.7]))
    theirs = transforms.AdjustContrast(1.7, retain_stats=True)(x[0])
    assert_close(ours[0], torch.as_tensor(theirs), rtol=1e-3, atol=1e-3)


def test_gamma_leaves_a_constant_channel_alone() -> None:
    x = torch.full((2, 1, 8, 8), 7.0)
    assert torch.equal(Gamma(p=1.0)(x, seeded(0)), x)


def test_offsets_are_shared_or_each_channels_own() -> None:
    x = torch.zeros(4, 5, 3, 3)
    shared, own = SharedOffset(0.1)(x, seeded(0)), ChannelOffset(0.1)(x, seeded(0))
    assert len(shared[0].unique()) == 1 and len(own[0].unique()) == 5
    assert shared.abs().max() <= 0.1 and own.abs().max() <= 0.1
