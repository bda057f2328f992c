"""What a sample says of its numbers and its place: one scale a channel or one a slice, and an affine map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from labelfree.backbones import build
from labelfree.backbones.weight_card import WeightCard
from labelfree.backbones.weights import LoadedBackbone
from labelfree.data.pool import build_pool
from labelfree.domain import Row, Sample, spacing_of, to_physical
from labelfree.progress import Silent

DEPTH = 6


def pet(seed: int, channels: int = 1) -> Sample:
    """Whole numbers of which each slice has its own scale, as a PET scanner stores them."""
    draw = np.random.default_rng(seed)
    data = torch.from_numpy(draw.integers(0, 32767, (channels, DEPTH, 8, 9)).astype(np.int16))
    scale = tuple(tuple(map(float, draw.uniform(0.1, 3, DEPTH))) for _ in range(channels))
    offset = tuple(tuple(map(float, draw.uniform(-5, 5, DEPTH))) for _ in range(channels))
    return Sample(data, tuple(f"pet{i}" for i in range(channels)), scale, offset, "Bq/ml", source=f"{seed}.dcm")


@given(st.integers(0, 999), st.integers(1, 3))
def test_each_slice_has_its_own_scale(seed: int, channels: int) -> None:
    sample = pet(seed, channels)
    physical = sample.physical()
    for channel, (scales, offsets) in enumerate(zip(sample.scale, sample.offset, strict=True)):
        for at, (scale, offset) in enumerate(zip(scales, offsets, strict=True)):  # type: ignore[arg-type]
            alone = to_physical(sample.data[None, channel : channel + 1, at], (scale,), (offset,))[0, 0]
            assert torch.equal(physical[channel, at], alone)
    one = sample.with_one_scale()
    assert torch.equal(one.physical(), physical) and one.with_one_scale() is one


def test_a_pool_holds_such_samples_in_physical_units(tmp_path: Path) -> None:
    rows = [Row(f"{number}.dcm", tmp_path / f"{number}.dcm") for number in range(4)]
    for row in rows:
        row.path.write_text(row.id)
    pool = build_pool(rows, lambda row: pet(int(row.path.stem)), {}, tmp_path / "pool", say=Silent())
    assert pool.dtype == torch.float32 and pool.scale == (1.0,) and pool.unit == "Bq/ml"
    for entry in range(4):
        assert torch.equal(pool[entry], pet(entry).physical())
    values = torch.cat([pet(entry).physical().flatten() for entry in range(4)])
    np.testing.assert_allclose(pool.fingerprint().mean[0], float(values.double().mean()), rtol=1e-5)


def test_weights_take_them_as_they_take_physical_numbers() -> None:
    card = WeightCard("tests.backbones.networks:SmallVolumes", ("pet0",), "Bq/ml", (1.0,), (0.0,), (4000.0,), (9000.0,), (8, 8, 8), dims=3)
    loaded = LoadedBackbone(build(card.architecture, 1, dims=3), card)
    sample = pet(3)
    torch.testing.assert_close(loaded.embed(sample), loaded.embed(sample.physical()[None]))


@given(st.tuples(*[st.floats(0.1, 9)] * 3), st.integers(0, 99))
def test_spacing_follows_from_the_affine_map(spacing: tuple[float, ...], seed: int) -> None:
    turned = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0] * spacing
    affine = (*((*map(float, row), 7.0) for row in turned), (0.0, 0.0, 0.0, 1.0))
    np.testing.assert_allclose(spacing_of(affine), spacing, rtol=1e-6)
    sample = Sample(torch.zeros(1, 2, 2, 2), ("ct",), (1.0,), (0.0,), "HU", affine=affine)
    assert sample.spacing == spacing_of(affine)
    given_one = Sample(torch.zeros(1, 2, 2, 2), ("ct",), (1.0,), (0.0,), "HU", spacing=(1.0, 2.0, 3.0), affine=affine)
    assert given_one.spacing == (1.0, 2.0, 3.0)
