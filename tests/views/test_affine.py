"""Rotation, scale, shear and shift: equal to kornia's warp, and masks and boxes go along."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from labelfree.views import Affine, Dihedral, Geometry, ResizedCrop
from labelfree.views.affine import AffineDraw
from tests.views.ops import geometric, name, seeded, smooth_field


def drawn(angle: float = 0.0, zoom: float = 0.0, shear: float = 0.0, shift: tuple[float, ...] = (0.0, 0.0, 0.0)) -> AffineDraw:
    return AffineDraw(torch.tensor([[angle]]), torch.tensor([zoom]), torch.tensor([[shear]]), torch.tensor([shift]))


def test_equals_kornia() -> None:
    from kornia.geometry import transform  # takes a second to import

    x = smooth_field(8, 3, 40, 56)
    op = Affine(40.0, (0.7, 1.4), 15.0, 0.1, p=1.0)
    params = op.draw(8, seeded(0))
    matrix, shift = op.forwards((40, 56), params)
    matrix, shift = matrix.flip(1, 2), shift.flip(1)  # x first
    centre = torch.tensor([56 / 2 - 0.5, 40 / 2 - 0.5])  # of the image, from the centre of its first pixel
    theirs = torch.cat([matrix, (centre + shift - (matrix @ centre))[..., None]], dim=2)
    expected = transform.warp_affine(x, theirs, (40, 56), padding_mode="border", align_corners=True)
    assert_close(op.apply(x, params), expected, rtol=0, atol=1e-4)


def test_a_quarter_turn_is_a_quarter_turn() -> None:
    x = smooth_field(1, 2, 16, 16)
    assert_close(Affine().apply(x, drawn(angle=math.pi / 2)), x.rot90(1, (-2, -1)), rtol=0, atol=1e-4)
    counted = torch.arange(256).view(1, 1, 16, 16)
    assert torch.equal(Affine().apply(counted, drawn(angle=math.pi / 2 + 1e-4)), counted.rot90(1, (-2, -1)))


def test_a_shift_moves_by_its_share_of_the_side() -> None:
    x = torch.arange(20.0).expand(1, 1, 10, 20)
    moved = Affine().apply(x, drawn(shift=(0.0, 0.25, 0.0)))
    assert_close(moved[0, 0, 0], (torch.arange(20.0) - 5).clamp(min=0), rtol=0, atol=1e-4)


def test_a_volume_turns_in_its_plane_alone_and_keeps_its_shape_where_pixels_are_oblong() -> None:
    x = smooth_field(1, 1, 6, 16, 16)
    in_plane = Affine().apply(x, drawn(angle=0.3))
    slices = Affine().apply(x[:, :, 2], drawn(angle=0.3))
    assert_close(in_plane[:, :, 2], slices, rtol=0, atol=1e-4)
    fine, oblong = torch.zeros(1, 1, 64, 64), torch.zeros(1, 1, 16, 64)
    fine[..., 24:40, 8:56] = 1
    oblong[..., 6:10, 8:56] = 1  # pixels four times as high
    turned = Affine().apply(fine, drawn(angle=0.5))
    assert_close(Affine(spacing=(4, 1)).apply(oblong, drawn(angle=0.5)).repeat_interleave(4, 2).mean(), turned.mean(), rtol=0.03, atol=0.0)


def square(shape: tuple[int, ...], low: list[int], high: list[int]) -> tuple[Tensor, Tensor]:
    """A mask (1, 1, *shape) that is True in a box, and the box."""
    mask = torch.zeros(1, 1, *shape, dtype=torch.bool)
    mask[(0, 0, *(slice(a, b) for a, b in zip(low, high, strict=True)))] = True
    return mask, torch.tensor([[*low[::-1], *high[::-1]]], dtype=torch.float32)


@pytest.mark.parametrize("op", [*geometric(), Dihedral()], ids=name)
@given(seed=st.integers(0, 2**31), axes=st.sampled_from([2, 3]))
def test_boxes_follow_their_masks(op: Geometry, seed: int, axes: int) -> None:
    """The box of what is left of the mask lies in the box that followed it, within a pixel; for an axis-parallel op they are equal."""
    shape = (40, 40) if axes == 2 else (20, 40, 40)
    low, high = ([12, 8], [26, 30]) if axes == 2 else ([5, 12, 8], [13, 26, 30])
    mask, box = square(shape, low, high)
    params = op.draw(1, seeded(seed))
    moved = op.apply(mask, params)[0, 0]
    (found,) = op.apply_boxes([box], shape, params)
    assert found.shape == (1, 2 * axes)
    if not moved.any():
        return
    at = moved.nonzero()
    real = torch.cat([at.amin(0).flip(0), at.amax(0).flip(0) + 1]).float()
    allowed = 1.0 + 0.5 * float(max(op.size / s for s in shape) if isinstance(op, ResizedCrop) else 1)
    assert (found[0, :axes] <= real[:axes] + allowed).all() and (found[0, axes:] >= real[axes:] - allowed).all()
    if not isinstance(op, Affine):
        assert_close(found[0], real, rtol=0, atol=allowed)


def test_what_leaves_the_view_has_no_extent() -> None:
    params = Affine().draw(1, seeded(0))
    params = AffineDraw(params.angle * 0, params.zoom * 0, params.shear * 0, torch.tensor([[0.0, 2.0, 0.0]]))
    (box,) = Affine().apply_boxes([torch.tensor([[2.0, 3.0, 6.0, 9.0]])], (20, 20), params)
    assert box.tolist() == [[20.0, 3.0, 20.0, 9.0]]


def test_an_image_without_boxes_keeps_none() -> None:
    for op in geometric():
        assert op.apply_boxes([torch.zeros(0, 4)], (20, 20), op.draw(1, seeded(0)))[0].shape == (0, 4)
