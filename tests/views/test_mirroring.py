"""Views without flips between left and right."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labelfree.views import Affine, Augmentation, Dihedral, PerChannel, ViewPipeline
from labelfree.views.generic import generic
from tests.views.ops import seeded


@pytest.mark.parametrize("axes, transpose", [((-1, -2), True), ((-1,), False), ((-2, -1), False), ((-2,), True), ((-1,), True)])
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_the_left_half_stays_on_the_left(axes: tuple[int, ...], transpose: bool, seed: int) -> None:
    """Half of each image is marked: no pose of those that remain moves a mark to the other side, or up or down."""
    views = Augmentation(geometry=[Dihedral(axes, transpose)]).unmirrored()
    x = torch.zeros(16, 1, 8, 8)
    x[..., :4] = 1
    for op in views.geometry:
        x = op(x, seeded(seed))
    assert (x[..., :4] == 1).all() and (x[..., 4:] == 0).all()


def test_other_flips_go_on_and_other_ops_stay() -> None:
    turns = Affine(5.0)
    kept = Augmentation(geometry=[Dihedral(), turns]).unmirrored().geometry
    assert isinstance(kept[0], Dihedral) and kept[0].axes == (-2,) and not kept[0].transpose and kept[1] is turns
    volume = Augmentation(geometry=[Dihedral((-3, -2), transpose=False)], sideways=-3).unmirrored().geometry
    assert isinstance(volume[0], Dihedral) and volume[0].axes == (-2,)
    assert Augmentation(geometry=[Dihedral((-3, -2, -1))], sideways=None).unmirrored().geometry == []


def test_generic_views_can_do_without() -> None:
    ramp = torch.linspace(0, 1, 64).expand(32, 1, 64, 64)
    for views, falls in ((generic(), True), (generic().unmirrored(), False)):
        pipeline = ViewPipeline(views, PerChannel([0.5], [0.3]), [1.0], [0.0])
        out = pipeline.view(ramp, 32, (0.5, 1.0), seeded(0))
        assert bool((out[..., -8:].mean((1, 2, 3)) < out[..., :8].mean((1, 2, 3)) - 0.05).any()) is falls
