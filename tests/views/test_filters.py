"""Blurs: equal to kornia's where it has them, discs and paths of the size that was asked for."""

from __future__ import annotations

import math

import pytest
import torch
from torch.testing import assert_close

from labelfree.views import Blur, Defocus, LowResolution, MotionBlur
from labelfree.views.filters import MotionDraw, disc, path
from tests.views.ops import seeded, smooth_field


@pytest.mark.parametrize("length, angle", [(3, 0.0), (5, 90.0), (7, 0.0), (9, 90.0)])
def test_motion_equals_kornia_along_the_axes(length: int, angle: float) -> None:
    from kornia import filters  # takes a second to import

    x = torch.randn(2, 3, 30, 30, generator=seeded(0))
    draw = MotionDraw(torch.full((2,), float(length)), torch.full((2,), math.radians(angle)))
    expected = filters.motion_blur(x, length, angle, 0.0, border_type="replicate")
    assert_close(MotionBlur().apply(x, draw), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("degrees", [0, 30, 45, 77, 120])
def test_a_path_has_its_length_and_direction(degrees: int) -> None:
    angle = math.radians(degrees)
    kernel = path(torch.tensor([11.0]), torch.tensor([angle]))[0]
    at = torch.arange(len(kernel)) - len(kernel) // 2
    y, x = torch.meshgrid(at, at, indexing="ij")
    along, across = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    assert float((kernel * along**2).sum()) == pytest.approx(11**2 / 12, rel=0.1)  # uniform along the path
    assert float((kernel * across**2).sum()) < 0.3
    assert float((kernel * along).sum()) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("radius", [0.5, 1.3, 2.0, 4.7])
def test_a_disc_has_its_radius(radius: float) -> None:
    kernel = disc(torch.tensor([radius]))[0]
    fine = (torch.arange(400) + 0.5) / 400
    half = len(kernel) // 2
    y, x = torch.meshgrid(fine - 0.5, fine - 0.5, indexing="ij")
    exact = torch.stack(
        [torch.stack([((y + j).hypot(x + i) <= radius).float().mean() for i in range(-half, half + 1)]) for j in range(-half, half + 1)]
    )
    assert_close(kernel, exact / exact.sum(), rtol=0, atol=0.25 / exact.sum())
    assert float(kernel.sum()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("op", [Defocus(p=1.0), MotionBlur(p=1.0)], ids=lambda op: type(op).__name__)
def test_volumes_are_blurred_slice_by_slice(op: Defocus | MotionBlur) -> None:
    x = smooth_field(2, 3, 5, 20, 20)
    params = op.draw(2, seeded(0))
    assert_close(op.apply(x, params)[:, :, 3], op.apply(x[:, :, 3].contiguous(), params))


def test_detail_goes_and_the_mean_stays() -> None:
    x = torch.randn(4, 2, 64, 64, generator=seeded(0))
    for op in (Defocus((2.0, 3.0), p=1.0), MotionBlur((5.0, 7.0), p=1.0)):
        out = op(x, seeded(1))
        assert (out.std((2, 3)) < 0.6 * x.std((2, 3))).all()
        assert_close(out.mean((2, 3)), x.mean((2, 3)), rtol=0, atol=0.05)


def test_a_blur_is_as_wide_in_millimetres_along_each_axis() -> None:
    from scipy import ndimage

    x, spacing = smooth_field(2, 2, 20, 24, 12), (0.8, 0.8, 4.0)
    sigma = torch.tensor([1.0, 2.0])  # voxels of 0.8 mm
    found = Blur(spacing=spacing).apply(x, sigma)
    for row, width in enumerate(sigma.tolist()):
        for channel in range(2):
            expected = ndimage.gaussian_filter(x[row, channel].numpy(), [0.8 * width / each for each in spacing], truncate=8)
            inside = (slice(8, -8), slice(8, -8), slice(3, -3))  # away from edges, which are treated differently
            assert_close(found[row, channel][inside], torch.from_numpy(expected)[inside], rtol=0, atol=2e-3)
    assert_close(Blur(spacing=(2.0, 2.0, 2.0)).apply(x, sigma), Blur().apply(x, sigma))


def test_resolution_is_lost_along_one_axis_alone() -> None:
    x = torch.randn(12, 2, 12, 8, 15, generator=seeded(0))
    op = LowResolution((3.0, 3.0), p=1.0, axes=(-1, -3))
    params = op.draw(12, seeded(2))
    assert params.shape == (12, 2) and ((params > 1).sum(1) == 1).all() and (params > 1).any(0).all()
    found = op.apply(x, params)
    for row, coarse in enumerate((params > 1).tolist()):
        axis = (4, 2)[coarse.index(True)]
        flat = x[row].movedim(axis - 1, -1).unflatten(-1, (-1, 3)).mean(-1, keepdim=True).expand(-1, -1, -1, -1, 3).flatten(-2)
        closeness = torch.corrcoef(torch.stack([found[row].movedim(axis - 1, -1).flatten(), flat.flatten()]))[0, 1]
        assert closeness > 0.9  # what is left along it are means of three
        alone = op.apply(x[row : row + 1].mean(axis, keepdim=True).expand_as(x[row : row + 1]).contiguous(), params[row : row + 1])
        assert_close(alone.mean(axis), x[row : row + 1].mean(axis), rtol=0, atol=1e-5)  # other axes keep every voxel
