"""Smooth gains: equal to NumPy's polynomials, as strong as they say, and never more than that."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from labelfree.views import BiasField
from labelfree.views.fields import polynomial
from tests.views.ops import seeded


def centres(size: int) -> np.ndarray:
    return (np.arange(size) + 0.5) / size * 2 - 1


@pytest.mark.parametrize("shape", [(7, 12), (5, 6, 9)])
def test_the_polynomial_equals_numpys(shape: tuple[int, ...]) -> None:
    coefficients = BiasField(p=1.0).draw(3, seeded(0)).coefficients
    found = polynomial(coefficients, torch.zeros(3, 2, *shape))
    for one, field in zip(coefficients.double().numpy(), found, strict=True):
        at = [centres(size) for size in shape]
        known = np.polynomial.polynomial.polygrid2d(*at, one[0]) if len(shape) == 2 else np.polynomial.polynomial.polygrid3d(*at, one)
        np.testing.assert_allclose(field.numpy(), known, atol=1e-5)


def test_powers_add_up_to_three_at_most() -> None:
    coefficients = BiasField(p=1.0).draw(50, seeded(1)).coefficients
    assert (coefficients[:, 1, 1, 1] != 0).all() and not coefficients[:, 2, 1, 1].any() and not coefficients[:, 0, 1, 3].any()


@settings(max_examples=30, deadline=None)
@given(strength=st.floats(0.05, 1.0), seed=st.integers(0, 2**31), shape=st.sampled_from([(20, 20), (8, 12, 10)]))
def test_the_log_of_the_gain_reaches_the_strength_and_its_mean_is_nothing(strength: float, seed: int, shape: tuple[int, ...]) -> None:
    op = BiasField((strength, strength), p=1.0)
    log = op(torch.full((4, 2, *shape), 3.0), seeded(seed)).div(3.0).log()
    assert torch.equal(log[:, 0], log[:, 1]), "channels differ"
    assert_close(log.abs().flatten(1).amax(1), torch.full((4,), strength), rtol=1e-3, atol=0)
    assert_close(log.flatten(1).mean(1), torch.zeros(4), rtol=0, atol=1e-5)


def test_neighbours_change_alike() -> None:
    log = BiasField((0.4, 0.4), p=1.0)(torch.ones(20, 1, 64, 64), seeded(2)).log()
    assert log.diff(dim=-1).abs().max() < 0.15 and log.diff(dim=-2).abs().max() < 0.15
