"""Ops against MONAI's transforms, where it is installed: gamma with retained statistics, bias fields, spikes of k-space."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.polynomial.legendre import leggrid3d
from torch.testing import assert_close

from labelfree.views import BiasField, Gamma
from tests.views.ops import seeded, smooth_field

transforms = pytest.importorskip("monai.transforms", reason="MONAI belongs to the extra `medical`", exc_type=ImportError)


@pytest.mark.parametrize("gamma", [0.7, 1.4])
def test_gamma_equals_monais_with_retained_statistics(gamma: float) -> None:
    volumes = smooth_field(2, 1, 12, 14, 10) * 300 - 200
    theirs = transforms.AdjustContrast(gamma, retain_stats=True)
    expected = torch.stack([torch.as_tensor(np.asarray(theirs(volume))) for volume in volumes])
    assert_close(Gamma().apply(volumes, torch.full((2,), gamma)), expected, rtol=1e-3, atol=0.5)


def test_a_bias_field_is_the_exponential_of_one_that_monai_could_draw() -> None:
    """MONAI's is exp of a sum of products of Legendre polynomials of the third degree in all: ours lies in the space that these span."""
    shape = (9, 10, 11)
    gain = BiasField((0.3, 0.3), p=1.0)(torch.ones(4, 1, *shape), seeded(0))[:, 0].double().log()
    theirs = transforms.RandBiasField(degree=3)
    basis = []
    for powers in np.argwhere(np.add.outer(np.add.outer(np.arange(4), np.arange(4)), np.arange(4)) <= 3):
        coefficients = np.zeros((4, 4, 4))
        coefficients[tuple(powers)] = 1
        basis.append(leggrid3d(*(np.linspace(-1, 1, side) for side in shape), coefficients).ravel())
    drawn = theirs._generate_random_field(shape, 3, list(np.arange(1, len(basis) + 1) / 10))
    spanned = np.stack(basis, 1)
    for field in (drawn, *gain.numpy()):
        left = field.ravel() - spanned @ np.linalg.lstsq(spanned, field.ravel(), rcond=None)[0]
        assert np.abs(left).max() < 1e-5 * np.abs(field).max()
    assert_close(gain.abs().amax((1, 2, 3)), torch.full((4,), 0.3, dtype=torch.float64), rtol=1e-5, atol=0)
