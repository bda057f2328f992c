"""Ops against independent implementations: kornia for poses, SciPy for blurs in volumes, PyTorch for resizing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch.testing import assert_close

from labelfree.views import Blur, Dihedral, MixUp, ResizedCrop
from tests.views.ops import seeded, smooth_field


def test_poses_equal_kornia() -> None:
    from kornia.geometry import transform  # takes a second to import

    x = torch.randn(4, 3, 9, 9, generator=seeded(0))
    coins = torch.tensor([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]], dtype=torch.bool)  # left-right, up-down, transpose
    ours = Dihedral().apply(x, coins)
    theirs = torch.cat([x[:1], transform.hflip(x[1:2]), transform.vflip(x[2:3]), transform.rot180(x[3:4])])
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize("shape, size", [((24, 24), 32), ((8, 10, 12), 16)])
def test_a_whole_image_made_larger_equals_pytorchs_interpolation(shape: tuple[int, ...], size: int) -> None:
    x = torch.randn(2, 3, *shape, generator=seeded(0))
    ours = ResizedCrop(size, (1.0, 1.0), (1.0, 1.0)).apply(x, ResizedCrop(size, (1.0, 1.0), (1.0, 1.0)).draw(2, seeded(0)))
    mode = "bilinear" if len(shape) == 2 else "trilinear"
    if len(set(shape)) == 1:
        assert_close(ours, F.interpolate(x, (size,) * len(shape), mode=mode, align_corners=False), rtol=0, atol=1e-5)
    else:  # oblong images keep their area, so that a part of each axis is seen
        assert ours.shape == (2, 3, *(size,) * len(shape))


@pytest.mark.parametrize("shape", [(40, 40), (20, 24, 22)])
def test_blur_equals_scipy_in_planes_and_volumes(shape: tuple[int, ...]) -> None:
    x = smooth_field(3, 2, *shape)
    sigma = torch.tensor([0.5, 1.0, 1.5])
    ours = Blur().apply(x, sigma).numpy()
    inside = (..., *(slice(7, -7) for _ in shape))  # at the edge we renormalise
    for number, s in enumerate(sigma.tolist()):
        theirs = ndimage.gaussian_filter(x[number].numpy(), (0, *(s for _ in shape)), truncate=8)
        np.testing.assert_allclose(ours[number][inside], theirs[inside], atol=2e-5)


def test_mixup_equals_its_equation() -> None:
    """Zhang et al. 2018, arXiv:1710.09412: lambda x_i + (1 - lambda) x_j."""
    x = torch.randn(6, 3, 8, 8, generator=seeded(0))
    op = MixUp(1.0)
    params = op.draw(6, seeded(1))
    share, partner = params.share.view(-1, 1, 1, 1), params.partner
    assert_close(op.apply(x, params), (1 - share) * x + share * x[partner])
