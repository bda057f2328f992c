"""Numbers on another scale mean what they meant."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from labelfree.data.pool import build_pool
from labelfree.data.rescaled_pool import RescaledPool
from labelfree.domain import Channel, Row, Sample, to_physical
from labelfree.progress import Silent


def stored(row: Row) -> Sample:
    """uint16 of two channels, 0.001 and 0.002 a step from -0.1 and 0."""
    side = 6 if row.id == "other" else 5
    data = np.random.default_rng(len(row.id)).integers(0, 1000, (2, 5, side)).astype(np.uint16)
    return Sample(torch.from_numpy(data), (Channel("red"), Channel("nir")), (0.001, 0.002), (-0.1, 0.0), "reflectance")


@pytest.mark.parametrize("names", [["a", "bb"], ["a", "other"]], ids=["one size", "several sizes"])
def test_physical_values_stay(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).touch()
    pool = build_pool([Row(name, tmp_path / name) for name in names], stored, {}, tmp_path / "pools", say=Silent())
    other = RescaledPool(pool, (1.0, 0.5), (0.0, 3.0))
    assert len(other) == 2 and other.uniform == pool.uniform and other.images == pool.images
    for entry in range(2):
        was, now = to_physical(pool[entry][None], pool.scale, pool.offset), to_physical(other[entry][None], other.scale, other.offset)
        assert now.dtype == torch.float32
        torch.testing.assert_close(now, was, atol=1e-6, rtol=1e-6)
    if pool.uniform:
        torch.testing.assert_close(other.batch([1, 0]), torch.stack([other[1], other[0]]))
