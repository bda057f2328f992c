"""Previews and what ImageNet's networks are shown; what a network is given of a window, of MR and of pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from labelfree_medical import Medical
from labelfree_medical.colours import rgb_positions
from labelfree_medical.previews import preview, render
from labelfree_medical.settings import BYTES, window_of

from labelfree.domain import Fingerprint
from labelfree.errors import RecipeError
from labelfree.views import PerChannel, PerImage, ValueWindow


def print_of(unit: str) -> Fingerprint:
    return Fingerprint(9, ("x",), "int16", unit, (1.0,), (0.0,), (32, 32), (32, 32), (5.0,), (2.0,))


def test_gray_is_repeated_and_stretched_by_what_was_measured():
    x = torch.linspace(0, 1000, 64 * 64).view(1, 1, 64, 64)
    x[..., :8] = -3024
    measured = torch.ones(1, 64, 64, dtype=torch.bool)
    measured[..., :8] = False
    shown = render(x, ("mr",), "stored", None, measured)
    assert shown is not None and shown.shape == (1, 3, 64, 64)
    known = shown[:, :, measured[0]]
    assert known.min() > -0.05 and known.max() < 1.05 and known.std() > 0.25


def test_bytes_are_shown_as_they_are_and_windows_from_end_to_end():
    x = torch.tensor([0.0, 127.5, 255.0]).view(1, 1, 1, 3)
    assert torch.allclose(render(x, ("gray",), BYTES, None)[0, 0, 0], torch.tensor([0.0, 0.5, 1.0]))  # type: ignore[index]
    hu = torch.tensor([-160.0, 40.0, 240.0]).view(1, 1, 1, 3)
    assert torch.allclose(render(hu, ("ct",), "HU", (-160.0, 240.0))[0, 1, 0], torch.tensor([0.0, 0.5, 1.0]))  # type: ignore[index]


def test_several_sequences_are_no_photograph():
    assert render(torch.zeros(1, 2, 4, 4), ("T1", "T2"), "stored", None) is None
    assert rgb_positions(("T1", "T2")) is None and rgb_positions(("Blue", "green", "red")) == (2, 1, 0)


def test_a_volume_is_shown_in_three_planes_with_its_right_on_the_left_and_the_head_on_top():
    right, anterior, superior = 4, 6, 8
    volume = torch.zeros(1, right, anterior, superior)
    volume[0, -1, -1, -1] = 1  # the corner at the right, the front and the top
    volume[0, right // 2] = volume[0, :, anterior // 2] = volume[0, :, :, superior // 2] = 0.5
    shown = preview(volume, ("ct",), (1.0, 1.0, 2.0), (0.0, 1.0))
    assert shown.shape == (16, 4 + 4 + 6, 3) and shown.dtype == np.uint8
    marked = torch.zeros(1, right, anterior, superior)
    marked[0, right - 1, anterior - 1, superior // 2] = 1  # in the axial plane
    axial = preview(marked, ("ct",), (1.0, 1.0, 1.0), (0.0, 1.0))[:6, :4, 0]
    assert np.argwhere(axial == 255).tolist() == [[0, 0]]  # front up, the patient's right on the left
    marked = torch.zeros(1, right, anterior, superior)
    marked[0, right - 1, anterior // 2, superior - 1] = 1  # in the coronal plane
    coronal = preview(marked, ("ct",), (1.0, 1.0, 1.0), (0.0, 1.0))[:8, 4:8, 0]
    assert np.argwhere(coronal == 255).tolist() == [[0, 0]]


def test_what_was_not_measured_is_black():
    picture = torch.full((1, 4, 4), 100.0)
    picture[0, 0] = 200
    measured = torch.ones(4, 4, dtype=torch.bool)
    measured[3] = False
    assert preview(picture, ("xray",), None, None, measured)[3].max() == 0


def test_numbers_become_a_networks_input_by_what_they_mean():
    assert isinstance(Medical(window="lung").normalise(print_of("HU")), ValueWindow)
    assert isinstance(Medical().normalise(print_of("HU")), PerChannel)
    assert isinstance(Medical().normalise(print_of("stored")), PerImage)
    assert isinstance(Medical(normalise="set").normalise(print_of("stored")), PerChannel)
    assert isinstance(Medical(normalise="image").normalise(print_of(BYTES)), PerImage)


def test_windows_have_names_or_two_ends():
    assert window_of("brain") == (0.0, 80.0) and window_of([-10.0, 10.0]) == (-10.0, 10.0) and window_of(None) is None
    for wrong in ("brian", [10.0, -10.0], [1.0, 2.0, 3.0]):
        with pytest.raises(RecipeError, match=r"reader\.window"):
            Medical(window=wrong)


@pytest.mark.parametrize(
    ("key", "wrong"), [("spacing", [1.0, 2.0]), ("slices", "oblique"), ("slices_per_volume", 0), ("orientation", "LPS")]
)
def test_keys_that_mean_nothing_are_refused_by_name(key, wrong):
    with pytest.raises(RecipeError, match=rf"reader\.{key}"):
        Medical(**{key: wrong})
