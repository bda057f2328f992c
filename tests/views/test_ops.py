"""What holds for every op: shape, range, repeatability, a draw for each sample."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from labelfree.errors import DataError
from labelfree.views import ChannelDrop, Erase, ResizedCrop, ViewOp
from tests.views.ops import every, filters, geometric, late, name, photometric, seeded, smooth_field, without_strength

shapes = st.sampled_from([(16, 16), (17, 17), (24, 15), (9, 12, 10)])
seeds = st.integers(0, 2**31)


@settings(max_examples=30, deadline=None)
@given(op=st.sampled_from(every()), channels=st.integers(1, 14), shape=shapes, seed=seeds)
def test_any_channel_count_in_2d_and_3d(op: ViewOp, channels: int, shape: tuple[int, ...], seed: int) -> None:
    out = op(torch.randn(3, channels, *shape, generator=seeded(seed)), seeded(seed))
    assert out.shape == (3, channels, *((16,) * len(shape) if isinstance(op, ResizedCrop) else shape))
    assert out.dtype == torch.float32 and out.isfinite().all()


@pytest.mark.parametrize("op", every(), ids=name)
@pytest.mark.parametrize("shift", [0.0, -40.0, 3000.0])
def test_no_op_clips_or_narrows(op: ViewOp, shift: float) -> None:
    x = smooth_field(16, 6, 32, 32) + shift
    out = op(x, seeded(1))
    kept = out[out != 0] if isinstance(op, ChannelDrop | Erase) else out
    assert kept.std() > 0.5 * x.std()
    assert (kept < shift).any() and (kept > shift).any()
    assert kept.unique(return_counts=True)[1].max() < 0.01 * kept.numel(), "values pile up somewhere"


@pytest.mark.parametrize("op", every(), ids=name)
def test_same_generator_state_same_view(op: ViewOp) -> None:
    x = smooth_field(4, 5, 16, 16)
    before = x.clone()
    assert torch.equal(op(x, seeded(7)), op(x, seeded(7)))
    assert not torch.equal(op(x, seeded(7)), op(x, seeded(8)))
    assert torch.equal(x, before), "the input was changed"


@pytest.mark.parametrize("op", every(), ids=name)
def test_a_draw_can_be_replayed(op: ViewOp) -> None:
    x = smooth_field(4, 5, 16, 16)
    params = op.draw(4, seeded(3))
    assert torch.equal(op.apply(x, params), op.apply(x, params))
    assert torch.equal(op.apply(x, params), op(x, seeded(3)))


@pytest.mark.parametrize("op", [*geometric(), *photometric(), *late()], ids=name)
def test_each_sample_has_its_own_draw(op: ViewOp) -> None:
    same = smooth_field(1, 5, 32, 32).expand(12, -1, -1, -1).contiguous()
    out = op(same, seeded(2))
    assert len({one.numpy().tobytes() for one in out}) >= {"Dihedral": 4, "Grayscale": 2}.get(name(op), 8)


@pytest.mark.parametrize("op", without_strength(), ids=name)
def test_no_strength_changes_nothing(op: ViewOp) -> None:
    x = smooth_field(4, 3, 32, 32)
    assert_close(op(x, seeded(0)), x, rtol=0, atol=2e-6)


@settings(max_examples=40, deadline=None)
@given(op=st.sampled_from([*geometric(), *filters()]), a=st.floats(-5, 5), b=st.floats(-100, 100), shape=shapes, seed=seeds)
def test_geometry_and_filters_commute_with_units(op: ViewOp, a: float, b: float, shape: tuple[int, ...], seed: int) -> None:
    x = smooth_field(4, 3, *shape, seed=seed % 1000)
    assert_close(op(a * x + b, seeded(seed)), a * op(x, seeded(seed)) + b, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("op", [*photometric(), *late()], ids=name)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int64])
def test_integers_are_refused_with_a_sentence(op: ViewOp, dtype: torch.dtype) -> None:
    sentence = rf"^{name(op)}: the batch is {dtype}; turn stored numbers into floating-point physical units first\.$"
    with pytest.raises(DataError, match=sentence):
        op(torch.ones(2, 3, 8, 8, dtype=dtype), seeded(0))


@pytest.mark.parametrize("op", [*photometric(), *late()], ids=name)
def test_floating_dtype_is_kept(op: ViewOp) -> None:
    assert op(smooth_field(2, 3, 16, 16).double(), seeded(0)).dtype == torch.float64
