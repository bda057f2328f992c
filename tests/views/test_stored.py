"""Every op from what files store: 8 and 16 bit, signed Hounsfield units, floating point; 2D and volumes; 1 to 14 channels."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from labelfree.views import Augmentation, ChannelDrop, Erase, Grayscale, PerChannel, ResizedCrop, ViewOp, ViewPipeline
from tests.views.ops import every, geometric, late, name, photometric, seeded, smooth_field, without_strength


@dataclass(frozen=True)
class Source:
    """How a kind of file stores its numbers. `middle`, `spread`: of what is stored; physical = stored * scale + offset."""

    dtype: torch.dtype
    middle: float
    spread: float
    scale: float
    offset: float

    def stored(self, batch: int, channels: int, shape: tuple[int, ...], seed: int) -> Tensor:
        numbers = smooth_field(batch, channels, *shape, seed=seed) * self.spread + self.middle
        return numbers.to(self.dtype) if self.dtype.is_floating_point else numbers.round().to(torch.int32).to(self.dtype)

    def physical(self, stored: Tensor) -> Tensor:
        channels = stored.shape[1]
        normalise = PerChannel([0.0] * channels, [1.0] * channels)
        return ViewPipeline(Augmentation(), normalise, [self.scale] * channels, [self.offset] * channels).physical(stored)


SOURCES = {
    "uint8 picture": Source(torch.uint8, 128, 25, 1 / 255, 0.0),
    "uint16 reflectance": Source(torch.uint16, 3000, 500, 1e-4, -0.1),
    "uint16 beyond int16": Source(torch.uint16, 50000, 3000, 1.0, 0.0),
    "int16 Hounsfield": Source(torch.int16, -200, 150, 1.0, 0.0),
    "float32 decibel": Source(torch.float32, -12, 3, 1.0, 0.0),
}
sources = st.sampled_from(sorted(SOURCES)).map(SOURCES.__getitem__)
shapes = st.sampled_from([(16, 16), (24, 15), (9, 12, 10), (12, 16, 16)])
seeds = st.integers(0, 2**31)


@settings(max_examples=150, deadline=None)
@given(source=sources, op=st.sampled_from(every()), channels=st.integers(1, 14), shape=shapes, seed=seeds)
def test_shape_range_and_repetition(source: Source, op: ViewOp, channels: int, shape: tuple[int, ...], seed: int) -> None:
    x = source.physical(source.stored(3, channels, shape, seed % 1000))
    before = x.clone()
    out = op(x, seeded(seed))
    assert out.shape == (3, channels, *((16,) * len(shape) if isinstance(op, ResizedCrop) else shape))
    assert out.dtype == torch.float32 and out.isfinite().all()
    assert torch.equal(out, op(x, seeded(seed)))
    assert torch.equal(x, before), "the input was changed"


@pytest.mark.parametrize("op", photometric(), ids=name)
@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize("shape", [(32, 32), (12, 16, 16)], ids=["2D", "3D"])
def test_no_range_is_clamped_or_narrowed(source: Source, op: ViewOp, shape: tuple[int, ...]) -> None:
    x = source.physical(source.stored(8, 5, shape, 0))
    out = op(x, seeded(1))
    assert out.std() > 0.5 * x.std()
    top, before = (batch.amax(tuple(range(1, batch.ndim))) for batch in (out, x))
    assert len(top.unique()) >= len(before.unique()), "brightest pixels meet at a bound"


@settings(max_examples=60, deadline=None)
@given(source=sources, op=st.sampled_from(geometric()), channels=st.integers(1, 4), shape=shapes, seed=seeds)
def test_a_mask_gets_the_geometry_of_its_image(source: Source, op: ViewOp, channels: int, shape: tuple[int, ...], seed: int) -> None:
    """A threshold of the image and the image of a threshold agree but at edges; no class is invented."""
    x = source.physical(source.stored(2, channels, shape, seed % 1000))
    mask = (x[:, :1] > x[:, :1].mean()).to(torch.int16) * 255
    params = op.draw(2, seeded(seed))
    image, moved = op.apply(x, params), op.apply(mask, params)
    assert moved.dtype == torch.int16 and set(moved.unique().tolist()) <= {0, 255}
    assert ((image[:, :1] > x[:, :1].mean()) == (moved > 0)).float().mean() > 0.8


@pytest.mark.parametrize("op", without_strength(), ids=name)
@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_no_strength_is_identity(source: Source, op: ViewOp) -> None:
    x = source.physical(source.stored(2, 3, (32, 32), 0))
    assert_close(op(x, seeded(0)), x, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("op", [*geometric(), *photometric(), *late()], ids=name)
def test_samples_of_a_volume_differ(op: ViewOp) -> None:
    same = SOURCES["int16 Hounsfield"].stored(1, 9, (12, 16, 16), 0).float().expand(12, -1, -1, -1, -1).contiguous()
    out = op(same, seeded(2))
    assert len({one.numpy().tobytes() for one in out}) >= {"Dihedral": 3, "Grayscale": 2}.get(name(op), 8)


@pytest.mark.parametrize("op", late(), ids=name)
def test_late_ops_leave_the_rest_as_it_is(op: ViewOp) -> None:
    assert isinstance(op, ChannelDrop | Erase | Grayscale)
    x = smooth_field(8, 5, 16, 16)
    out = op(x, seeded(0))
    assert ((out == x) | (out == 0) | (out == x.mean(1, keepdim=True))).all()
