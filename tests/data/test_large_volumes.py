"""Large volumes go into a pool a few at a time, whatever the number of processors: memory holds them, cut into tiles as stored."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch

from labelfree.data import moments, same_values, threads
from labelfree.data.pool import build_pool
from labelfree.data.pool_index import facts
from labelfree.domain import Row, Sample
from labelfree.planning.sampled_images import look_at
from labelfree.progress import Silent
from tests.data.fake_domain import PillowDomain

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
    monkeypatch.setattr(threads, "free_bytes", lambda: 4.0 * threads.COPIES * BYTES)  # two volumes in all their copies
    small = peak(tmp_path / "small")
    assert small < 2 * threads.COPIES and large > 1.5 * small, (small, large)


def test_what_is_known_of_a_volume_is_found_in_less_memory_than_it_takes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Digest, trace, thumbnail and moments look at some slices at a time."""
    monkeypatch.setattr(same_values, "TOGETHER", 2**15)
    monkeypatch.setattr(moments, "CHUNK", 2**15)
    sample = volume(Row("a.nii", tmp_path / "a.nii"))
    facts(sample, sample.data.numpy(), None)  # signs of axes are kept
    tracemalloc.start()
    try:
        facts(sample, sample.data.numpy(), None)
        held = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert held < BYTES / 2


def test_a_plan_looks_at_as_many_volumes_at_a_time_as_memory_holds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(threads, "free_bytes", lambda: 2.0 * threads.COPIES * BYTES)  # one volume in all its copies
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    reading, most = 0, 0

    class Slow(PillowDomain):
        def read(self, row: Row) -> Sample:
            nonlocal reading, most
            reading += 1
            most = max(most, reading)
            time.sleep(0.01)
            sample = volume(row)
            reading -= 1
            return sample

    looks = look_at([Row(f"{number}.nii", tmp_path / f"{number}.nii") for number in range(5)], Slow(), Silent())
    assert most == 1 and [look.shape for look in looks.shown] == [SHAPE[1:]] * 5
