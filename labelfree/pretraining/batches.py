"""The images of a step where the network lies: gathered while a GPU works on the step before, or lying on it already."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from labelfree.data.pool import Pool
from labelfree.data.space import gigabytes
from labelfree.device_copies import copied_to
from labelfree.objectives.distributed import everyone
from labelfree.pretraining.job import Job
from labelfree.training.randomness import batch_rows, mixed

T = TypeVar("T")
WARM = 3  # steps of a process, after which its network has taken the memory that it needs
SHARE = 0.5  # of the memory that is free then, which a pool may take
CHUNK = 256  # entries copied at a time


@dataclass(frozen=True)
class Images:
    """`stored`: (B, C, *spatial), any dtype. `measured`: (B, *spatial) bool, where they are measured; None: everywhere. `whole`: (B, C, 2),
    what a normalisation by image takes its statistics from (`Pool.whole`); None: it takes none, or these are whole images.
    """

    stored: Tensor
    measured: Tensor | None
    whole: Tensor | None = None

    def each(self, change: Callable[[Tensor], Tensor]) -> Images:
        return Images(*(None if tensor is None else change(tensor) for tensor in (self.stored, self.measured, self.whole)))  # type: ignore[arg-type]

    def pinned(self) -> Images:
        """In memory that a GPU copies from by itself."""
        return self.each(Tensor.pin_memory)

    def on(self, device: torch.device) -> Images:
        return self.each(lambda tensor: copied_to(tensor, device))


@dataclass(frozen=True)
class Batch:
    """`rows`: (B,) entries of the pool. `partners`: what second views come from; None: the images themselves."""

    rows: np.ndarray
    images: Images
    partners: Images | None = None

    def each(self, change: Callable[[Images], Images]) -> Batch:
        return replace(self, images=change(self.images), partners=None if self.partners is None else change(self.partners))


class Batches:
    """This rank's share of the batch of a step, a function of it alone: whoever asks for a step, and however often, gets the same images.

    On a GPU they are gathered from the pool's files into pinned memory and copied on a stream of their own while the step before runs;
    once the network has shown what memory it needs, the pool is laid on the GPU if it fits beside it, and `tell` is told; without `tell`,
    for the few steps of a trial, it is not. On a processor they are gathered when they are asked for: what a thread beside the training
    would win there it takes from it.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.tell: Callable[[str], object] | None = None
        self.ahead: Ahead[Batch] | None = None
        self.lying: PoolOnDevice | None = None
        self.given = 0
        self.stream: torch.cuda.Stream | None = None

    def at(self, step: int, device: torch.device) -> Batch:
        """The batch of `step` on `device`."""
        if device.type != "cuda":
            return self.gathered(step).each(lambda images: images.on(device))
        self.given += 1
        if self.given == WARM:
            self._lay_down(step, device)
        if self.lying is not None:
            return self._drawn(step, self.lying.images)
        self.stream = self.stream or torch.cuda.Stream(device)
        self.ahead = self.ahead or Ahead(lambda wanted: self._sent(wanted, device))
        batch = self.ahead.take(step)
        current = torch.cuda.current_stream(device)
        current.wait_stream(self.stream)
        return batch.each(lambda images: _used_on(images, current))

    def gathered(self, step: int) -> Batch:
        """The batch of `step` on the host."""
        pool = self.job.pool
        return self._drawn(step, lambda rows: Images(pool.batch(rows), pool.measured(rows)))

    def _drawn(self, step: int, images: Callable[[np.ndarray], Images]) -> Batch:
        entries, plan, ranks = self.job.entries, self.job.plan, everyone()

        def found(rows: np.ndarray) -> Images:
            seen = images(rows)
            return replace(seen, whole=self.job.pool.whole(rows).to(seen.stored.device)) if self._by_whole_images else seen

        rows = entries[batch_rows(len(entries), plan.batch_size // ranks.world, step, plan.source, ranks.rank, ranks.world)]
        if self.job.positives is None:
            return Batch(rows, found(rows))
        return Batch(rows, found(rows), found(self.job.positives.draw(rows, mixed("positives", plan.source, step, ranks.rank))))

    @property
    def _by_whole_images(self) -> bool:
        """Whether entries are parts of images that are normalised by their own statistics each."""
        return self.job.views.normalise.by_image and self.job.pool.tile is not None

    def _sent(self, step: int, device: torch.device) -> Batch:
        """Gathered into pinned memory, its copy queued: in the thread that works ahead."""
        batch = self.gathered(step)
        with torch.cuda.device(device), torch.cuda.stream(self.stream):
            return batch.each(Images.pinned).each(lambda images: images.on(device))

    def _lay_down(self, step: int, device: torch.device) -> None:
        """The pool goes onto the GPU where a share of what is free there holds it, and a pass over it is still to come."""
        pool, entries, plan = self.job.pool, self.job.entries, self.job.plan
        if self.tell is None or (plan.steps - step) * plan.batch_size < len(entries):
            return
        free, _ = torch.cuda.mem_get_info(device)
        size = bytes_on_device(pool, entries)
        if size <= SHARE * free:
            self.lying, self.ahead = PoolOnDevice(pool, entries, device), None
            self.tell(f"The pool's {gigabytes(size)} lie on the GPU from here on, of {gigabytes(free)} that are free beside the network.")
        else:
            self.tell(f"The pool's {gigabytes(size)} stay on disk: of the GPU's memory {gigabytes(free)} are free beside the network.")


class Ahead(Generic[T]):
    """What `make` gives for a step, the next step's being made in a thread meanwhile."""

    def __init__(self, make: Callable[[int], T]) -> None:
        self.make = make
        self.thread = ThreadPoolExecutor(1, "batches")
        self.foreseen: tuple[int, Future[T]] | None = None

    def take(self, step: int) -> T:
        """For `step`. What goes wrong in the thread is raised here."""
        if self.foreseen is None or self.foreseen[0] != step:
            self.foreseen = (step, self.thread.submit(self.make, step))
        made = self.foreseen[1]
        self.foreseen = (step + 1, self.thread.submit(self.make, step + 1))
        return made.result()


class PoolOnDevice:
    """Entries of a pool on a device, as bytes, so that a gather is an index whatever their dtype; masks only where an entry has gaps."""

    def __init__(self, pool: Pool, entries: np.ndarray, device: torch.device) -> None:
        first = pool.batch(entries[:1])
        self.shape, self.dtype, self.device = tuple(first.shape[1:]), first.dtype, device
        self.place = np.full(len(pool), -1, dtype=np.int64)
        self.place[entries] = np.arange(len(entries))
        self.bytes = torch.empty(len(entries), first.nbytes, dtype=torch.uint8, device=device)
        for start in range(0, len(entries), CHUNK):
            self.bytes[start : start + CHUNK] = pool.batch(entries[start : start + CHUNK]).flatten(1).view(torch.uint8).to(device)
        masks = {int(entry): mask for entry in entries if (mask := pool.measured([int(entry)])) is not None}
        self.gaps = np.isin(entries, list(masks))
        self.measured: Tensor | None = None
        if masks:
            self.measured = torch.ones(len(entries), *self.shape[1:], dtype=torch.bool, device=device)
            for entry, mask in masks.items():
                self.measured[self.place[entry]] = mask[0].to(device)

    def images(self, rows: np.ndarray) -> Images:
        """Those of the pool's entries `rows` (B,)."""
        places = self.place[rows]
        where = copied_to(torch.from_numpy(places), self.device)
        stored = self.bytes.index_select(0, where).view(self.dtype).view(-1, *self.shape)
        measured = self.measured.index_select(0, where) if self.measured is not None and self.gaps[places].any() else None
        return Images(stored, measured)


def bytes_on_device(pool: Pool, entries: np.ndarray) -> int:
    """What `PoolOnDevice` takes."""
    one = pool.batch(entries[:1])
    masks = one[0, 0].numel() if any(pool.measured([int(entry)]) is not None for entry in entries) else 0
    return len(entries) * (one.nbytes + masks)


def _used_on(images: Images, stream: torch.cuda.Stream) -> Images:
    """Memory that another stream filled is not given away before `stream` is done with it."""
    for tensor in (images.stored, images.measured, images.whole):
        if tensor is not None:
            tensor.record_stream(stream)
    return images
