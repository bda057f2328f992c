"""Large volumes go into a pool a few at a time, whatever the number of processors: memory holds them, cut into tiles as stored."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch

from labelfree.data import threads
from labelfree.data.pool import build_pool
from labelfree.domain import Row, Sample
from labelfree.progress import Silent

SHAPE = (1, 100, 128, 128)  # a sixty-fourth of a CT of 512 x 512 x 400
BYTES = 2 * int(np.prod(SHAPE))


def volume(row: Row) -> Sample:
    voxels = np.random.default_rng(len(row.id)).integers(-1000, 1000, SHAPE, dtype=np.int16)
    return Sample(torch.from_numpy(voxels), ("ct",), (1.0,), (0.0,), "HU", spacing=(1.0, 0.7, 0.7), source=row.id)


def peak(folder: Path) -> float:
    """The most that building a pool of 24 volumes holds at a time, in volumes as they are stored."""
    rows = [Row(id=f"{number:02d}.nii", path=folder / f"{number:02d}.nii") for number in range(24)]
    for row in rows:
        row.path.write_bytes(b"")
    tracemalloc.start()
    try:
        pool = build_pool(rows, volume, {}, folder / "pool", say=Silent(), tile=(48, 48, 48), workers=8, max_gb=1.0)
        held = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(pool) > 24 and pool.dtype == torch.int16
    return held / BYTES


@pytest.mark.slow
def test_memory_bounds_how_many_volumes_are_read_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes ten seconds: 48 volumes are made and cut, twice."""
    (tmp_path / "small").mkdir(), (tmp_path / "large").mkdir()
    large = peak(tmp_path / "large")
    monkeypatch.setattr(threads, "machine_gigabytes", lambda: 4 * threads.COPIES * BYTES / 2**30)  # two volumes in all their copies
    small = peak(tmp_path / "small")
    assert small < 2 * threads.COPIES and large > 1.5 * small, (small, large)
