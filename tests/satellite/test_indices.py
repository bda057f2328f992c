"""Indices: by hand, by band name, in statistics and as pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from labelfree_satellite import Satellite
from labelfree_satellite.indices import available, normalised_difference
from torch.testing import assert_close

from labelfree.errors import RecipeError
from tests.satellite.files import SENTINEL, numbers, row, write_tif


def test_by_hand() -> None:
    x = torch.tensor([0.05, 0.45, -0.02, 0.0]).view(4, 1, 1)  # red, nir, and what correction leaves over water
    assert float(normalised_difference(x, 1, 0)) == pytest.approx(0.8)
    assert float(normalised_difference(x, 2, 0)) == -1.0
    assert float(normalised_difference(x, 2, 3)) == 0.0


@given(seed=st.integers(0, 1000), factor=st.floats(0.01, 1000))
def test_within_bounds_and_the_same_under_any_illumination(seed: int, factor: float) -> None:
    x = torch.randn(3, 2, 5, 5, generator=torch.Generator().manual_seed(seed))
    found = normalised_difference(x, 0, 1)
    assert found.shape == (3, 5, 5) and found.abs().max() <= 1
    bright = x.abs() + 0.1
    assert_close(normalised_difference(bright * factor, 0, 1), normalised_difference(bright, 0, 1), rtol=1e-4, atol=1e-5)


def test_positions_follow_names() -> None:
    domain = Satellite(sensor="sentinel-2-l1c")
    assert available(domain.known(SENTINEL)) == {"ndvi": (7, 3), "ndwi": (2, 7), "nbr": (7, 12)}
    assert available(domain.known(("B8A", "B04"))) == {"ndvi": (0, 1)}  # the narrow near infrared where there is no broad one
    assert available(domain.known(("B04", "B03", "B02"))) == {}
    assert available(Satellite().known(("band_1", "band_2"))) == {}


def test_statistics_hold_what_the_bands_allow() -> None:
    domain, x = Satellite(sensor="sentinel-2-l1c"), torch.rand(2, 13, 4, 4)
    found = domain.derived(x, SENTINEL, "reflectance")
    assert found.shape == (2, 3, 4, 4)
    assert_close(found[:, 0], (x[:, 7] - x[:, 3]) / (x[:, 7] + x[:, 3]))
    assert domain.derived(x[:, :3], SENTINEL[:3], "reflectance").shape == (2, 0, 4, 4)
    assert domain.derived(x, SENTINEL, "stored").shape == (2, 0, 4, 4)  # an unknown offset would make them wrong


def test_a_preview_of_an_index(tmp_path: Path) -> None:
    data = numbers(13)
    data[7, :4], data[3, :4] = 9000, 100  # green above, bare below
    data[7, 4:], data[3, 4:] = 100, 9000
    domain = Satellite(bands=SENTINEL, sensor="sentinel-2-l1c")
    sample = domain.read(row(write_tif(tmp_path / "a.tif", data)))
    picture = domain.preview(sample, "ndvi")
    assert picture.shape == (8, 8, 3) and picture.dtype == np.uint8
    assert picture[0, 0, 1] > picture[0, 0, 0] and picture[7, 0, 0] > picture[7, 0, 2]
    with pytest.raises(RecipeError, match=r"^evi: these bands \(.*\) allow ndvi, ndwi, nbr\.$"):
        domain.preview(sample, "evi")
