"""Made-up anomalies: they change what they say they change, from the image's own pixels, and a draw can be replayed on masks."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from labelfree.views import Anomaly, Blotches, CutPaste, anomalies
from labelfree.views.anomalies import PasteDraw
from labelfree.views.perlin import PRIMES, SLOPES, perlin, slopes
from tests.views.ops import name, seeded, smooth_field

shapes = st.sampled_from([(24, 24), (17, 40), (9, 12, 10)])


@settings(max_examples=40, deadline=None)
@given(which=st.integers(0, 2), channels=st.integers(1, 5), shape=shapes, seed=st.integers(0, 2**31))
def test_nothing_changes_but_where_it_says(which: int, channels: int, shape: tuple[int, ...], seed: int) -> None:
    op = anomalies()[which]
    x = smooth_field(5, channels, *shape, seed=seed % 1000)
    params = op.draw(5, seeded(seed))
    out, where = op.apply(x, params), op.altered(params, x)
    assert where.shape == (5, *shape) and where.dtype == torch.bool
    changed = (out != x).any(1)
    assert not (changed & ~where).any()
    if not isinstance(op, CutPaste):
        assert (changed == where).float().mean() > 0.99


@pytest.mark.parametrize("op", [*anomalies(), CutPaste(p=0.5), Blotches(p=0.5)], ids=name)
def test_samples_are_altered_or_left_alone(op: Anomaly) -> None:
    x = smooth_field(200, 2, 20, 20)
    where = op.altered(op.draw(200, seeded(0)), x).flatten(1).any(1).float().mean()
    assert where > 0.95 if op.p == 1.0 else 0.4 < where < 0.6  # type: ignore[attr-defined]  # a thin scar may miss all pixels' middles


def test_a_piece_is_a_copy_of_pixels_of_the_image() -> None:
    """Every pixel has its own number; numbers in the piece are those at one distance."""
    x, none, one = torch.arange(30.0 * 40).view(1, 1, 30, 40), torch.zeros(1), torch.ones(1)
    source, target = torch.tensor([[0.9, 0.1, 0.0]]), torch.tensor([[0.1, 0.8, 0.0]])
    op, draw = CutPaste(), PasteDraw(0.05 * one, none, source, target, none, one)
    out, where = op.apply(x, draw)[0, 0], op.altered(draw, x)[0]
    moved = (out - x[0, 0])[where]
    assert len(moved.unique()) == 1 and moved[0] != 0
    rows, columns = torch.nonzero(where).T
    assert where.sum() == (rows.max() - rows.min() + 1) * (columns.max() - columns.min() + 1), "no rectangle"
    assert abs(int(where.sum()) / (30 * 40) - 0.05) < 0.015


def test_a_turned_piece_lies_as_a_rotated_rectangle_would() -> None:
    """Against the corners of a polygon: a pixel is inside where its middle is."""
    from matplotlib.path import Path

    share, ratio, turn = 0.02, 4.0, 0.6
    draw = PasteDraw(
        torch.tensor([share]),
        torch.tensor([math.log(ratio)]),
        torch.full((1, 3), 0.2),
        torch.full((1, 3), 0.5),
        torch.tensor([turn]),
        torch.ones(1),
    )
    where = CutPaste().altered(draw, torch.zeros(1, 1, 101, 101))[0]
    height, width = (101 * math.sqrt(share * r) for r in (ratio, 1 / ratio))
    ends = np.array([[-height, -width], [-height, width], [height, width], [height, -width]]) / 2
    turned = ends @ np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])  # (down, across) counterclockwise
    middles = np.stack(np.mgrid[:101, :101], axis=-1).reshape(-1, 2) - 50.0
    inside = [Path(way).contains_points(middles).reshape(101, 101) for way in (turned, turned * [1, -1])]
    assert max((where.numpy() == one).mean() for one in inside) > 0.998


def test_labels_go_with_the_piece() -> None:
    """A draw replayed on a mask of any integers: where the image shows a copy, the mask names what that shows."""
    x = smooth_field(6, 1, 32, 32)
    mask = (x > 0.5).to(torch.int16) * 7
    op = CutPaste((0.1, 0.2), degrees=30, gain=0.0, p=1.0)
    params = op.draw(6, seeded(0))
    assert torch.equal(op.apply(mask, params), (op.apply(x, params) > 0.5).to(torch.int16) * 7)


def test_blotches_cover_the_share_drawn_in_several_pieces() -> None:
    from scipy import ndimage

    op = Blotches((0.1, 0.1), cells=(2, 3), p=1.0)
    where = op.altered(op.draw(12, seeded(0)), torch.zeros(12, 1, 64, 64))
    assert_close(where.flatten(1).float().mean(1), torch.full((12,), 0.1), rtol=0.02, atol=0)
    pieces = [ndimage.label(one.numpy())[1] for one in where]
    assert 2 < np.mean(pieces) < 40, "neither one block nor grains"


def test_blotches_follow_the_images_own_numbers() -> None:
    """Twice the spread and another mean give the same picture in other units; unmeasured pixels tell nothing."""
    op, x = Blotches(p=1.0), smooth_field(5, 3, 24, 24)
    params = op.draw(5, seeded(1))
    assert_close(op.apply(2 * x - 40, params), 2 * op.apply(x, params) - 40, rtol=1e-4, atol=1e-3)
    measured = torch.ones(5, 24, 24, dtype=torch.bool)
    measured[:, :, 20:] = False
    wild = x.clone()
    wild[:, :, :, 20:] = 1e6
    still = Blotches(p=1.0)
    params = still.draw(5, seeded(1))
    params = type(params)(**{**vars(params), "contrast": torch.zeros(5)})  # the texture is even: only moments are left in it
    both = [still.apply_measured(one, params, measured)[:, :, :, :20] for one in (x, wild)]
    assert_close(both[0], both[1])


def noise_in_loops(shape: tuple[int, int], cells: Tensor, gradients: Tensor) -> Tensor:
    """Perlin's noise of one picture, written pixel by pixel."""
    ease = lambda t: t * t * t * (t * (t * 6 - 15) + 10)  # noqa: E731
    out = torch.zeros(shape)
    for row in range(shape[0]):
        for column in range(shape[1]):
            y, x = (row + 0.5) / shape[0] * float(cells[0]), (column + 0.5) / shape[1] * float(cells[1])
            top, left = math.floor(y), math.floor(x)
            corner = {}
            for down in (0, 1):
                for across in (0, 1):
                    slope = gradients[((top + down) * PRIMES[0] ^ (left + across) * PRIMES[1]) % SLOPES]
                    corner[down, across] = float(slope[0]) * (y - top - down) + float(slope[1]) * (x - left - across)
            upper, lower = (corner[d, 0] + ease(x - left) * (corner[d, 1] - corner[d, 0]) for d in (0, 1))
            out[row, column] = upper + ease(y - top) * (lower - upper)
    return out


def test_noise_equals_perlins_written_out() -> None:
    gradients = slopes(2, seeded(0))
    cells = torch.tensor([[2.0, 4.0, 1.0], [8.0, 1.0, 1.0]])
    found = perlin((16, 12), cells, gradients, torch.zeros(2, 1, 16, 12))
    for one in range(2):
        assert_close(found[one], noise_in_loops((16, 12), cells[one], gradients[one]), rtol=1e-4, atol=1e-5)


def test_noise_is_zero_at_the_corners_of_the_lattice_in_volumes_too() -> None:
    gradients, cells = slopes(1, seeded(0)), torch.full((1, 3), 3.0)
    noise = perlin((9, 9, 9), cells, gradients, torch.zeros(1, 1, 9, 9, 9))[0]  # middles at 1/6, 1/2, 5/6, 7/6 … of a cell
    assert noise.std() > 0.1 and noise[1::3, 1::3, 1::3].abs().max() > 0.1
    assert perlin((3, 3, 3), 2 * cells, gradients, torch.zeros(1, 1, 3, 3, 3)).abs().max() == 0  # middles at 1, 3 and 5 cells
