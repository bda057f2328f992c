"""What a network of pictures is shown of a volume: each slice as a picture would be, and all of them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from labelfree.backbones.weights import network_input
from labelfree.transfer.network_inputs import NetworkInput, input_of
from labelfree.views import PerChannel, PerImage


def shown(x: Tensor, measured: Tensor | None = None) -> Tensor:
    """As a domain shows one channel: from its smallest to its largest value in the whole volume."""
    low, high = x.flatten(1).amin(1), x.flatten(1).amax(1)
    apart = (high - low)[:, None, None, None, None]
    return (x[:, [0, 0, 0]] - low[:, None, None, None, None]) / apart


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slices_are_read_as_pictures_are(axis: int) -> None:
    """A weight file of pictures that are normalised each by itself: so is each slice."""
    x = torch.randn(2, 1, 6, 8, 10)
    read = NetworkInput(PerImage(), slices=axis)(x, 16)
    for place in range(x.shape[2 + axis]):
        assert_close(read.select(2 + axis, place), network_input(x.select(2 + axis, place), PerImage(), 16))


def test_no_slice_is_resized_away_and_slices_keep_the_proportions_of_the_view() -> None:
    x = torch.randn(1, 1, 40, 20, 7)
    read = NetworkInput(PerChannel((0.0,), (1.0,)), view=(64, 32, 16), slices=2)
    assert read(x, 32).shape == (1, 1, 32, 16, 7)
    assert read.sized((48, 24, 3), x.shape[2:]) == (48, 24, 7)
    assert NetworkInput(PerChannel((0.0,), (1.0,)), view=(8, 6), slices=0).sized(16, (5, 30, 30)) == (5, 16, 12)


def test_a_volume_is_rendered_as_a_whole() -> None:
    """A dark slice stays dark beside a bright one."""
    x = torch.zeros(1, 1, 2, 8, 8)
    x[0, 0, 0, :4], x[0, 0, 1, :4] = 1.0, 10.0
    read = NetworkInput(PerChannel((0.0,) * 3, (1.0,) * 3), render=shown, slices=0)(x, 8)
    assert read.shape == (1, 3, 2, 8, 8)
    assert_close(read[0, :, 0].amax((1, 2)), torch.full((3,), 0.1))
    assert_close(read[0, :, 1].amax((1, 2)), torch.ones(3))


def test_what_was_not_measured_counts_in_no_slice() -> None:
    x = torch.randn(1, 1, 3, 8, 8)
    measured = torch.ones(1, 3, 8, 8, dtype=torch.bool)
    measured[0, 1, :, :4] = False
    read = NetworkInput(PerImage(), slices=0)(x, 8, measured)
    assert_close(read[:, :, 1], network_input(x[:, :, 1], PerImage(), 8, measured[:, 1]))
    assert_close(read[:, :, 0], network_input(x[:, :, 0], PerImage(), 8))


def test_it_is_told_and_made_anew() -> None:
    told = NetworkInput(PerChannel((0.5,) * 3, (0.2,) * 3), render=shown, view=(8, 6, 4), slices=2)
    x = torch.rand(1, 1, 8, 6, 4)
    assert_close(input_of(told.told(), shown)(x, 8), told(x, 8))
    assert "slices" not in NetworkInput(PerImage()).told()
