"""Crops that share a part of an image, or lie within one another, in pictures and volumes; and views that are made of them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from labelfree.views import Augmentation, PerChannel, ResizedCrop, ViewPipeline
from labelfree.views.geometry import CropDraw
from tests.views.ops import seeded

SHAPES = st.sampled_from([(50, 70), (30, 400), (50, 70, 30), (24, 24, 24), (512, 512, 9)])
SIZES = st.sampled_from([16, (8, 16, 16)])
SEEDS = st.integers(0, 2**31)


def shared(first: CropDraw, second: CropDraw, shape: tuple[int, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """(n,) volumes: what two crops share, the smaller one, and what they would share if their middles were one."""
    (at, side), (there, extent) = (draw.boxes(shape) for draw in (first, second))
    common = (torch.minimum(at + side, there + extent) - torch.maximum(at, there)).clamp(min=0).prod(1)
    return common, torch.minimum(side.prod(1), extent.prod(1)), torch.minimum(side, extent).prod(1)


def assert_in_image(draw: CropDraw, shape: tuple[int, ...]) -> None:
    start, side = draw.boxes(shape)
    assert (start >= -1e-2).all() and (start + side <= torch.tensor(shape) + 1e-2).all()


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, overlap=st.floats(0.05, 1.0), shape=SHAPES, size=SIZES)
def test_two_crops_share_as_much_of_the_smaller_as_asked(seed: int, overlap: float, shape: tuple[int, ...], size: object) -> None:
    crop, draws = ResizedCrop(size if len(shape) == 3 else 16, (0.1, 0.8)), seeded(seed)  # type: ignore[arg-type]
    first = crop.draw(20, draws)
    second = crop.draw_near(first, overlap, draws)
    common, smaller, most = shared(first, second, shape)
    assert (common >= torch.minimum(overlap * smaller, most) * (1 - 1e-4)).all()
    assert_in_image(second, shape)


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, shape=SHAPES, size=SIZES)
def test_half_is_always_shared_by_the_usual_crops(seed: int, shape: tuple[int, ...], size: object) -> None:
    crop, draws = ResizedCrop(size if len(shape) == 3 else 16, (0.5, 1.0)), seeded(seed)  # type: ignore[arg-type]
    first = crop.draw(20, draws)
    common, smaller, _ = shared(first, crop.draw_near(first, 0.5, draws), shape)
    assert (common >= 0.5 * smaller * (1 - 1e-4)).all()


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, shape=SHAPES, size=SIZES, scale=st.sampled_from([(0.05, 0.2), (0.2, 0.5), (0.9, 1.0)]))
def test_a_crop_inside_another_never_leaves_it(seed: int, shape: tuple[int, ...], size: object, scale: tuple[float, float]) -> None:
    sides, draws = (size if len(shape) == 3 else 16), seeded(seed)
    outer = ResizedCrop(sides, (0.5, 1.0)).draw(20, draws)  # type: ignore[arg-type]
    inner = ResizedCrop(6, scale).draw_inside(outer, draws)
    (at, side), (there, extent) = outer.boxes(shape), inner.boxes(shape)
    slack = 1e-4 * max(shape)
    assert (there >= at - slack).all() and (there + extent <= at + side + slack).all()
    wanted = torch.minimum(inner.area * torch.tensor(shape).prod(), side.prod(1))
    assert (extent.prod(1) <= wanted * 1.001).all()
    if scale[1] <= 0.5 and len(set(shape)) == 1:
        assert (extent.prod(1) >= wanted * 0.999).all()  # the area stays as drawn


def pipeline(overlap: float) -> ViewPipeline:
    views = Augmentation(global_scale=(0.3, 0.5), local_scale=(0.05, 0.2), overlap=overlap)
    return ViewPipeline(views, PerChannel([0.0] * 3, [1.0] * 3), [1.0] * 3, [0.0] * 3)


def places(n: int, *shape: int) -> Tensor:
    """(n, axes, *shape): volumes whose channels are where a voxel lies along each axis."""
    along = torch.meshgrid(*(torch.arange(side, dtype=torch.float32) for side in shape), indexing="ij")
    return torch.stack(along).expand(n, -1, *shape).contiguous()


def ends(view: Tensor) -> tuple[Tensor, Tensor]:
    """(n, axes) first and last place that views of `places` show, their outer pixels' middles."""
    return view.flatten(2).amin(2), view.flatten(2).amax(2)


def test_local_views_lie_inside_the_first_global_one_and_global_views_share_half() -> None:
    stored = places(16, 24, 30, 20)
    first, second, *small = (view.normal for view in pipeline(0.5).multi_crop(stored, (2, 4), (12, 6), seeded(3)))
    (low, high), (near, far) = ends(first), ends(second)
    common = (torch.minimum(high, far) - torch.maximum(low, near)).clamp(min=0).prod(1)
    assert (common > 0.4 * torch.minimum((high - low).prod(1), (far - near).prod(1))).all()  # of outer pixels' middles, not edges
    assert len(small) == 4
    for view in small:
        start, end = ends(view)
        half = (high - low) / 11 / 2  # from the middle of an outer pixel to the edge
        assert (start >= low - half - 1e-3).all() and (end <= high + half + 1e-3).all()


@pytest.mark.parametrize("partners", [False, True])
def test_without_overlap_views_are_drawn_one_after_the_other_as_ever(partners: bool) -> None:
    stored = places(5, 16, 16, 16)
    others = stored + 100 if partners else None
    draws = seeded(1)
    apart = [pipeline(0.0).many(stored, 2, 8, (0.3, 0.5), draws, partners=others)]
    apart += [pipeline(0.0).many(stored, 3, 4, (0.05, 0.2), draws, partners=others)]
    together = [view.normal for view in pipeline(0.0).multi_crop(stored, (2, 3), (8, 4), seeded(1), others)]
    assert torch.equal(torch.cat(together[:2]), apart[0]) and torch.equal(torch.cat(together[2:]), apart[1])
