"""Batches gathered ahead, and a pool that lies on the device, hold what the pool's files hold."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from labelfree.data.positives import Positives
from labelfree.pretraining.batches import Ahead, Batches, PoolOnDevice, bytes_on_device
from tests.pretraining.small import small_job

CPU = torch.device("cpu")


class Stored:
    """Twelve entries in a dtype; every third has a gap."""

    def __init__(self, dtype: torch.dtype, gaps: bool) -> None:
        numbers = torch.randint(0, 200, (12, 3, 5, 4), generator=torch.Generator().manual_seed(0))
        self.stored, self.gaps = numbers.to(dtype), gaps

    def __len__(self) -> int:
        return len(self.stored)

    def batch(self, entries: Any) -> torch.Tensor:
        return torch.stack([self.stored[int(entry)] for entry in entries])

    def measured(self, entries: Any) -> torch.Tensor | None:
        holes = [self.gaps and int(entry) % 3 == 0 for entry in entries]
        masks = torch.stack(
            [torch.arange(20).view(5, 4) % 7 != (int(entry) if hole else 7) for entry, hole in zip(entries, holes, strict=True)]
        )
        return masks if any(holes) else None


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.int16, torch.float32], ids=str)
def test_a_pool_on_the_device_gives_what_its_files_hold(dtype: torch.dtype, gaps: bool) -> None:
    pool: Any = Stored(dtype, gaps)
    entries = np.array([1, 2, 4, 0, 5, 9, 11])
    lying = PoolOnDevice(pool, entries, CPU)
    taken = lying.bytes.nbytes + (0 if lying.measured is None else lying.measured.nbytes)
    assert bytes_on_device(pool, entries) == taken
    for rows in (np.array([4, 2, 4]), np.array([9, 1, 0]), entries[::-1].copy()):
        images, wanted, mask = lying.images(rows), pool.batch(rows), pool.measured(rows)
        assert images.stored.dtype == dtype
        assert torch.equal(images.stored.view(torch.uint8), wanted.view(torch.uint8))
        assert (images.measured is None) == (mask is None)
        assert mask is None or torch.equal(images.measured, mask)  # type: ignore[arg-type]


def test_the_next_step_is_made_in_a_thread_and_any_step_may_be_asked_for() -> None:
    made: list[tuple[int, str]] = []

    def make(step: int) -> int:
        made.append((step, threading.current_thread().name))
        if step == 9:
            raise ValueError("step 9")
        return step * step

    ahead = Ahead(make)
    assert [ahead.take(step) for step in (0, 1, 2, 7, 7, 3)] == [0, 1, 4, 49, 49, 9]
    ahead.thread.shutdown(wait=True)
    assert all(name.startswith("batches") for _, name in made)
    again = Ahead(make)
    assert again.take(8) == 64  # the failure ahead of its time is kept
    with pytest.raises(ValueError, match="step 9"):
        again.take(9)


def test_a_batch_is_a_function_of_its_step(tmp_path: Path) -> None:
    job = small_job(tmp_path)
    first, other = Batches(job), Batches(job)
    late = [other.at(step, CPU) for step in (5, 1, 3)]
    for step, batch in zip((5, 1, 3), late, strict=True):
        again = first.at(step, CPU)
        assert np.array_equal(batch.rows, again.rows) and torch.equal(batch.images.stored, again.images.stored)
        assert torch.equal(batch.images.stored, job.pool.batch(batch.rows)) and batch.partners is None


def test_partners_are_those_of_the_rows(tmp_path: Path) -> None:
    job = small_job(tmp_path)
    count = len(job.pool)
    paired = Positives(np.arange(count + 1), np.roll(np.arange(count), 1))  # each entry's only partner is the one before it
    batch = Batches(type(job)(**{**vars(job), "positives": paired})).at(2, CPU)
    assert batch.partners is not None
    assert torch.equal(batch.partners.stored, job.pool.batch((batch.rows - 1) % count))
