"""The fixed order from stored numbers to the network, and the pace."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from labelfree.errors import DataError
from labelfree.views import (
    Augmentation,
    Blur,
    ChannelDrop,
    ChannelGain,
    Dihedral,
    Erase,
    Noise,
    PerChannel,
    SharedGain,
    ViewOp,
    ViewPipeline,
)
from labelfree.views.pipeline import Drawn
from tests.views.ops import seeded


class Witness(ViewOp):
    """Writes down what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[torch.Tensor] = []

    def draw(self, n: int, generator: torch.Generator, device: torch.device | str = "cpu") -> None:
        return None

    def apply(self, x: torch.Tensor, params: None) -> torch.Tensor:  # type: ignore[override]
        self.seen.append(x.clone())
        return x


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.int16, torch.int32, torch.float32, torch.float64])
@pytest.mark.parametrize("channels", [1, 3, 13])
def test_any_source_gives_normalised_float_views(dtype: torch.dtype, channels: int) -> None:
    stored = torch.randint(0, 200, (4, channels, 40, 40), generator=seeded(0)).to(dtype)
    ops = Augmentation([Dihedral()], [SharedGain(), ChannelGain(), Noise(), Blur()], [ChannelDrop(), Erase()])
    pipeline = ViewPipeline(ops, PerChannel([1.0] * channels, [0.5] * channels), [0.01] * channels, [0.0] * channels)
    views = pipeline.many(stored, 3, 32, (0.3, 1.0), seeded(1))
    assert views.shape == (12, channels, 32, 32) and views.dtype == torch.float32 and views.isfinite().all()
    assert torch.equal(views, pipeline.many(stored, 3, 32, (0.3, 1.0), seeded(1)))


def test_the_order_is_geometry_physics_normalise_late() -> None:
    geometry, physics, late = Witness(), Witness(), Witness()
    pipeline = ViewPipeline(Augmentation([geometry], [physics], [late]), PerChannel([10.0, 0.0], [2.0, 4.0]), [0.5, 2.0], [1.0, -3.0])
    stored = torch.tensor([100, 7], dtype=torch.uint16).view(1, 2, 1, 1).expand(1, 2, 8, 8)
    pipeline.view(stored, 4, (0.5, 1.0), seeded(0))
    physical = torch.tensor([51.0, 11.0]).view(1, 2, 1, 1).expand(1, 2, 4, 4)
    assert_close(geometry.seen[0], physical)
    assert_close(physics.seen[0], physical)
    assert_close(late.seen[0], torch.tensor([20.5, 2.75]).view(1, 2, 1, 1).expand(1, 2, 4, 4))


@pytest.mark.parametrize("gaps", [False, True])
def test_a_view_is_told_as_it_was_before_it_was_normalised(gaps: bool) -> None:
    """After physics and geometry, before late ops; which draws follow does not depend on who asks."""
    ops = Augmentation([Dihedral()], [SharedGain()], [Erase(p=1.0)])
    pipeline = ViewPipeline(ops, PerChannel([10.0] * 3, [4.0] * 3), [0.5] * 3, [1.0] * 3)
    stored = torch.randint(0, 200, (4, 3, 24, 24), generator=seeded(0), dtype=torch.uint8)
    mask = torch.ones(4, 24, 24, dtype=torch.bool)
    mask[:, :5] = False
    measured = (mask, None) if gaps else (None, None)
    drawn = list(pipeline.each(stored, 3, 16, (0.3, 1.0), seeded(1), partners=stored, measured=measured))
    joined = Drawn.joined(drawn)
    assert torch.equal(joined.normal, pipeline.many(stored, 3, 16, (0.3, 1.0), seeded(1), partners=stored, measured=measured))
    untouched = ViewPipeline(Augmentation([Dihedral()], [SharedGain()]), pipeline.normalise, [0.5] * 3, [1.0] * 3)
    first = untouched.view(stored, 16, (0.3, 1.0), seeded(1))
    known = torch.ones(4, 1, 16, 16) if drawn[0].measured is None else drawn[0].measured[:, None]
    assert_close(pipeline.normalise(drawn[0].physical) * known, first * known, rtol=1e-4, atol=1e-4)
    assert not torch.equal(drawn[0].normal, first)
    assert (joined.measured is not None) is gaps
    if gaps:
        assert joined.measured[4:8].all() and not joined.measured[:4].all() and joined.physical.shape == (12, 3, 16, 16)


def test_negative_hounsfield_like_numbers_survive() -> None:
    stored = torch.full((2, 1, 16, 16), -1000, dtype=torch.int16)
    pipeline = ViewPipeline(Augmentation(), PerChannel([0.0], [1.0]), [1.0], [0.0])
    assert_close(pipeline.view(stored, 8, (0.5, 1.0), seeded(0)), torch.full((2, 1, 8, 8), -1000.0), rtol=1e-6, atol=0)


def test_volumes_make_views_too() -> None:
    pipeline = ViewPipeline(Augmentation([Dihedral((-1,), transpose=False)]), PerChannel([0.0], [1.0]), [1.0], [0.0])
    assert pipeline.view(torch.randint(-5, 5, (2, 1, 20, 18, 12)), 8, (0.5, 1.0), seeded(0)).shape == (2, 1, 8, 8, 8)


def test_first_rows_are_view_zero_of_every_sample() -> None:
    stored = torch.arange(5).view(5, 1, 1, 1).expand(5, 1, 8, 8)
    views = ViewPipeline(Augmentation(), PerChannel([0.0], [1.0]), [1.0], [0.0]).many(stored, 2, 4, (0.5, 1.0), seeded(0))
    assert_close(views[:, 0, 0, 0], torch.arange(5.0).repeat(2))


def test_views_do_not_depend_on_the_other_views_of_the_batch() -> None:
    stored = torch.randint(0, 255, (4, 3, 32, 32), generator=seeded(0))
    pipeline = ViewPipeline(Augmentation([Dihedral()]), PerChannel([0.0] * 3, [1.0] * 3), [1.0] * 3, [0.0] * 3)
    generator = seeded(1)
    one_by_one = torch.cat([pipeline.view(stored, 16, (0.5, 1.0), generator) for _ in range(2)])
    assert torch.equal(pipeline.many(stored, 2, 16, (0.5, 1.0), seeded(1)), one_by_one)


def test_a_constant_channel_becomes_zero() -> None:
    assert (PerChannel([3.0], [0.0])(torch.full((1, 1, 2, 2), 3.0)) == 0).all()


def test_other_channel_counts_are_refused_with_a_sentence() -> None:
    with pytest.raises(DataError, match="the batch has 12 channels and the statistics have 13"):
        PerChannel([0.0] * 13, [1.0] * 13)(torch.zeros(1, 12, 2, 2))


def test_every_second_view_comes_from_the_partners() -> None:
    pipeline = ViewPipeline(Augmentation(), PerChannel([0.0], [1.0]), [1.0], [0.0])
    mine, theirs = torch.full((3, 1, 16, 16), 1, dtype=torch.uint8), torch.full((3, 1, 16, 16), 2, dtype=torch.uint8)
    views = pipeline.many(mine, 4, 8, (0.5, 1.0), seeded(0), partners=theirs).view(4, 3, 1, 8, 8)
    assert [view.round(decimals=5).unique().tolist() for view in views] == [[1.0], [2.0], [1.0], [2.0]]
    ramp = torch.arange(256).view(1, 1, 16, 16).expand(3, -1, -1, -1)
    alone = pipeline.many(ramp, 3, 8, (0.5, 1.0), seeded(0))
    assert torch.equal(alone, pipeline.many(ramp, 3, 8, (0.5, 1.0), seeded(0), partners=ramp)), "partners change the draws"
