"""Light against what it claims: sides, edges, blobs, hue, and the noise that a sensor makes of it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from labelfree.views import Glare, LightRamp, SensorNoise, SoftShadow, ViewOp
from labelfree.views.light import GlareDraw, RampDraw, ShadowDraw
from tests.views.ops import lights, name, seeded

ONE = torch.ones(1)
RIGHT = torch.tensor([[0.0, 1.0, 0.0]])


def test_a_ramp_rises_evenly_from_one_side_to_the_other() -> None:
    out = LightRamp().apply(torch.full((1, 2, 8, 50), 3.0), RampDraw(0.5 * ONE, RIGHT))[0, 0]
    assert_close(out, out[:1].expand_as(out))  # along the columns nothing changes
    assert_close((out[0] / 3).log(), torch.linspace(-0.49, 0.49, 50))


def test_a_ramp_reaches_its_strength_in_the_corners() -> None:
    out = LightRamp().apply(torch.ones(1, 1, 40, 60, 20), RampDraw(0.3 * ONE, torch.tensor([[1.0, -2.0, 0.5]]))).log()
    assert_close(out[0, 0, -1, 0, -1], torch.tensor(0.3), rtol=0.05, atol=0)
    assert_close(out[0, 0, 0, -1, 0], torch.tensor(-0.3), rtol=0.05, atol=0)


def test_a_shadow_takes_its_share_on_one_side_and_nothing_on_the_other() -> None:
    out = SoftShadow().apply(torch.full((1, 1, 20, 100), 2.0), ShadowDraw(0.4 * ONE, RIGHT, -0.2 * ONE, 0.5 * ONE))[0, 0, 0]
    assert_close(out[:39], torch.full((39,), 2.0))
    assert_close(out[66:], torch.full((34,), 1.2))
    assert (out.diff() <= 0).all() and out.diff().min() > -0.1, "the edge is hard"


def test_a_glare_is_a_blob_of_the_radius_and_length_drawn() -> None:
    draw = GlareDraw(5 * ONE, torch.full((1, 3), 0.5), 0.1 * ONE, 3 * ONE, RIGHT)
    blob = Glare().apply(torch.zeros(1, 3, 81, 121), draw)
    assert_close(blob[:, 0], blob[:, 2])
    weight = blob[0, 0] / blob[0, 0].sum()
    at = [torch.arange(size) - (size - 1) / 2 for size in (81, 121)]
    down, along = (weight.sum(1 - axis) @ at[axis].square() for axis in (0, 1))
    assert_close(down.sqrt(), torch.tensor(8.1), rtol=0.02, atol=0)
    assert_close(along.sqrt(), torch.tensor(24.3), rtol=0.05, atol=0)
    assert_close(blob.max(), torch.tensor(5.0))


@pytest.mark.parametrize("op", lights(), ids=name)
def test_all_channels_get_the_same_light(op: ViewOp) -> None:
    """So a gray surface stays gray, and a channel that is as bright everywhere changes as its neighbours do."""
    out = op(torch.full((6, 4, 24, 24), 0.5), seeded(0))
    assert_close(out, out[:, :1].expand_as(out))
    assert out.std((2, 3)).min() > 1e-3, "the light is even"


def levels(op: SensorNoise, light: float, shot: float, read: float) -> Tensor:
    params = op.draw(4, seeded(0))
    params = type(params)(torch.full((4,), shot), torch.full((4,), read), params.seed)
    return op.apply(torch.full((4, 2, 64, 64), light), params)


@pytest.mark.parametrize(("light", "expected"), [(0.0, 0.3), (100.0, 2.0224), (-50.0, 0.3)])
def test_noise_grows_as_the_root_of_the_light(light: float, expected: float) -> None:
    noisy = levels(SensorNoise(), light, shot=0.04, read=0.3)
    assert_close(noisy.std((1, 2, 3)), torch.full((4,), expected), rtol=0.05, atol=0)
    assert_close(noisy.mean(), torch.tensor(light), rtol=0, atol=0.1)
