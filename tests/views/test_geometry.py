"""Crops and poses: where they lie, that nothing aliases, that masks follow."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from labelfree.errors import DataError
from labelfree.views import Dihedral, ResizedCrop
from labelfree.views.geometry import linear
from tests.views.ops import seeded, smooth_field


@settings(max_examples=60, deadline=None)
@given(
    shape=st.lists(st.integers(8, 300), min_size=2, max_size=3),
    low=st.floats(0.05, 1.0),
    high=st.floats(0.05, 1.0),
    seed=st.integers(0, 2**31),
)
def test_crops_lie_inside_and_have_the_area_drawn(shape: list[int], low: float, high: float, seed: int) -> None:
    crop = ResizedCrop(8, (min(low, high), max(low, high)))
    params = crop.draw(20, seeded(seed))
    start, side = params.boxes(shape)
    size = torch.tensor(shape, dtype=torch.float32)
    assert (start >= -1e-3).all() and (start + side <= size * (1 + 1e-5) + 1e-3).all()
    assert_close(side.prod(1) / size.prod(), params.area, rtol=1e-3, atol=1e-5)


def test_scale_and_ratio_are_as_asked() -> None:
    crop = ResizedCrop(8, (0.1, 0.5), (0.5, 2.0))
    params = crop.draw(4000, seeded(0))
    _, side = params.boxes((64, 64))
    ratio = (side[:, 1] / side[:, 0]).log()
    fits = params.area < 0.5  # every ratio of the range fits into the image
    assert 0.1 <= params.area.min() < 0.11 and 0.49 < params.area.max() <= 0.5
    assert_close(ratio[fits].mean(), torch.tensor(0.0), rtol=0, atol=0.03)
    assert_close(ratio[fits].std(), torch.tensor(2 * 0.6931 / 12**0.5), rtol=0.03, atol=0)  # uniform in the logarithm


def test_a_crop_of_a_ramp_is_that_part_of_the_ramp() -> None:
    ramp = torch.arange(64.0).expand(6, 1, 64, 64) + 0.5
    crop = ResizedCrop(16, (0.2, 0.6))
    params = crop.draw(6, seeded(5))
    start, side = params.boxes((64, 64))
    expected = start[:, 1, None] + (torch.arange(16) + 0.5) / 16 * side[:, 1, None]
    got = crop.apply(ramp, params)[:, 0]
    assert_close(got, expected[:, None, :].expand(-1, 16, -1), rtol=0, atol=0.02)


def test_whole_image_shrunk_is_the_area_mean() -> None:
    x = torch.randn(2, 3, 64, 64, generator=seeded(0))
    out = ResizedCrop(16, (1.0, 1.0), (1.0, 1.0))(x, seeded(0))
    assert_close(out, F.avg_pool2d(x, 4), rtol=1e-4, atol=1e-5)


def test_shrinking_does_not_alias() -> None:
    stripes = torch.tensor([0.0, 1.0]).repeat(112).expand(8, 1, 224, 224).contiguous()  # a period of 2 pixels cannot be seen at 64
    out = ResizedCrop(64, (0.9, 1.0))(stripes, seeded(0))
    assert out.std() < 0.2 * stripes.std()


def test_close_to_an_antialiased_resize() -> None:
    x = smooth_field(2, 3, 200, 200)
    out = ResizedCrop(64, (1.0, 1.0), (1.0, 1.0))(x, seeded(0))
    assert_close(out, F.interpolate(x, 64, mode="bilinear", antialias=True), rtol=0, atol=0.03)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int64, torch.bool])
def test_masks_follow_their_image(dtype: torch.dtype) -> None:
    shape = (smooth_field(6, 1, 64, 64) > 0).to(dtype)
    crop, pose = ResizedCrop(48, (0.3, 0.8)), Dihedral()
    where, turn = crop.draw(6, seeded(1)), pose.draw(6, seeded(2))
    mask = pose.apply(crop.apply(shape, where), turn)
    image = pose.apply(crop.apply(shape.float(), where), turn)
    assert mask.dtype == dtype and set(mask.long().unique().tolist()) <= {0, 1}
    assert ((image > 0.5) == mask.bool()).float().mean() > 0.98


def test_eight_poses_and_no_other() -> None:
    x = torch.arange(9.0).view(1, 1, 3, 3).expand(400, -1, -1, -1)
    seen = {one.numpy().tobytes() for one in Dihedral()(x, seeded(0))}
    square = x[0]
    poses = {t.rot90(k, (-2, -1)).contiguous().numpy().tobytes() for t in (square, square.transpose(-1, -2)) for k in range(4)}
    assert seen == poses


def test_only_allowed_axes_flip() -> None:
    x = torch.arange(12.0).view(1, 1, 3, 4).expand(50, -1, -1, -1)
    seen = {one.numpy().tobytes() for one in Dihedral((-2,), transpose=False)(x, seeded(0))}
    assert seen == {x[0].contiguous().numpy().tobytes(), x[0].flip(-2).contiguous().numpy().tobytes()}


def test_oblong_images_cannot_be_transposed() -> None:
    with pytest.raises(DataError, match="3 by 4 pixels cannot be transposed"):
        Dihedral()(torch.zeros(2, 1, 3, 4), seeded(0))


def test_crops_have_the_proportions_of_a_view() -> None:
    """A view of thick slices is cut from as many of them as it is wide in pixels, in proportion."""
    crop = ResizedCrop((8, 16, 16), (0.2, 0.2), (1.0, 1.0))
    _, side = crop.draw(3, seeded(0)).boxes((12, 24, 24))
    assert_close(side, torch.tensor([12.0, 24.0, 24.0]).mul(0.2 ** (1 / 3)).expand(3, 3))
    cube = ResizedCrop(16, (0.2, 0.2), (1.0, 1.0))
    _, side = cube.draw(3, seeded(0)).boxes((24, 24, 24))
    assert_close(side, torch.full((3, 3), 24 * 0.2 ** (1 / 3)))


@pytest.mark.parametrize("shape, size", [((30, 41, 52), (16, 16, 16)), ((1, 7, 20), (3, 5, 40)), ((5, 9, 9), (5, 4, 6))])
def test_volumes_are_resampled_as_by_grid_sample(shape: tuple[int, ...], size: tuple[int, ...]) -> None:
    """Axis by axis, and at all voxels of the view at once: the same, at the edges too."""
    x = torch.randn(4, 2, *shape, generator=seeded(3))
    start, side = ResizedCrop(size, (0.3, 1.0)).draw(4, seeded(4)).boxes(shape)
    places = [(start[:, axis, None] + (torch.arange(n) + 0.5) / n * side[:, axis, None]) for axis, n in enumerate(size)]
    grid = torch.stack(
        [
            torch.stack(torch.meshgrid(*[2 * place[row] / full - 1 for place, full in zip(places, shape, strict=True)], indexing="ij"), -1)
            for row in range(4)
        ]
    ).flip(-1)
    expected = F.grid_sample(x, grid, padding_mode="border", align_corners=False)
    assert_close(linear(x, start, side, size), expected, rtol=1e-4, atol=1e-4)
