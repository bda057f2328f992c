"""Work spread over threads whose results come back in order, with a bounded number of them in memory."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from labelfree.training.free_memory import free_bytes

T = TypeVar("T")
R = TypeVar("R")
AHEAD = 4  # results a thread that may wait
SHARE = 0.5  # of the memory that is free at first, for all that is worked on or waits
COPIES = 8  # of an image while it is read: as stored, in physical units, turned, resampled, cut


def in_order(
    work: Callable[[T], R], items: Iterable[T], workers: int | None = None, size: Callable[[R], float] | None = None
) -> Iterator[R]:
    """`map(work, items)` on `workers` threads (default: one a processor); leaving the iterator early cancels what waits.

    `size`: bytes of what a result was made from. The first one is then waited for, and of large ones fewer are under way at a time, so
    that memory holds them: at least one.
    """
    count = workers or os.cpu_count() or 1
    executor = ThreadPoolExecutor(count)
    waiting: deque[Future[R]] = deque()
    most = AHEAD * count if size is None else 1
    largest = 0.0
    room = 0.0 if size is None else SHARE * free_bytes()

    def first() -> R:
        nonlocal most, largest
        result = waiting.popleft().result()
        if size is not None:
            largest = max(largest, size(result))
            most = max(1, min(AHEAD * count, int(room / max(1.0, COPIES * largest))))
        return result

    try:
        for item in items:
            waiting.append(executor.submit(work, item))
            while len(waiting) >= most:
                yield first()
        while waiting:
            yield first()
    except GeneratorExit:  # left early, perhaps cleared away by one of these threads, which cannot wait for itself
        executor.shutdown(wait=False, cancel_futures=True)
        raise
    except BaseException:
        executor.shutdown(cancel_futures=True)
        raise
    executor.shutdown()
