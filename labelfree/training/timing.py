"""How long work takes: by the clock, and without the time that other jobs on the machine took from it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from labelfree.training.processes import this_process

BUSY = 1.5  # times its own time, from which on work is said to have waited
FEW = 1.15  # times its own time, up to which the clock is believed: what is read from disk is no neighbour
COARSE = 0.1 if sys.platform == "win32" else 0.0  # seconds, in which Windows counts a thread's time in too few ticks


@dataclass(frozen=True)
class Lap:
    """Seconds of one piece of work: `wall` by the clock, `processor` of it at work on the processor."""

    wall: float
    processor: float

    def __add__(self, other: Lap) -> Lap:
        return Lap(self.wall + other.wall, self.processor + other.processor)

    @property
    def seconds(self) -> float:
        """How long it takes on a machine of its own."""
        return self.wall if self.wall <= max(FEW * self.processor, COARSE) else self.processor

    @property
    def busy(self) -> bool:
        """Whether it waited for others for much of its time."""
        return self.wall > max(BUSY * self.processor, COARSE)


def fastest(laps: Sequence[Lap]) -> Lap:
    """The one that waited least: of each time the smallest."""
    return Lap(min(lap.wall for lap in laps), min(lap.processor for lap in laps))


class Stopwatch:
    """Seconds between calls of `lap`, in the thread that makes them.

    A thread's processor time is what its work takes alone, also where torch shares it among threads that wait for each other. It tells
    nothing of a GPU's work, or of processes that wait for each other: there the clock stands for both.
    """

    def __init__(self) -> None:
        import torch

        self.alone = not torch.cuda.is_available() and this_process().world == 1
        self.start()

    def start(self) -> None:
        """Count from here."""
        self.wall, self.processor = time.perf_counter(), time.thread_time()

    def lap(self) -> Lap:
        """Since the start or the last lap."""
        wall, processor = self.wall, self.processor
        self.start()
        passed = self.wall - wall
        return Lap(passed, min(self.processor - processor, passed) if self.alone else passed)


def seconds_per_call(call: Callable[[int], object], times: int) -> float:
    """How long `call` takes, by the fastest of so many after a first one, which also finds out how to compute. It is given its number."""
    watch, laps = Stopwatch(), list[Lap]()
    for number in range(1 + times):
        call(number)
        laps.append(watch.lap())
    return fastest(laps[1:]).seconds
