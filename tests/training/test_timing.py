"""A neighbour's time on the processor does not count; what is read from disk does."""

from __future__ import annotations

import subprocess
import sys
import time

from labelfree.training.timing import Lap, Stopwatch, fastest


def test_waiting_for_others_does_not_count_and_small_waits_do() -> None:
    assert Lap(20.35, 3.5).seconds == 3.5 and Lap(20.35, 3.5).busy
    assert Lap(3.6, 3.5).seconds == 3.6 and not Lap(3.6, 3.5).busy


def test_the_fastest_of_several_counts() -> None:
    assert fastest([Lap(9.0, 1.1), Lap(1.2, 1.2), Lap(4.0, 2.0)]) == Lap(1.2, 1.1)


def test_a_busy_machine_hardly_changes_what_is_counted() -> None:
    """Four processes that do nothing but take the processor's time; takes some seconds on two cores."""

    def work() -> Lap:
        watch, total = Stopwatch(), 0
        for number in range(3_000_000):
            total += number
        return watch.lap()

    work()
    alone = fastest([work() for _ in range(4)])
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(4)]
    try:
        time.sleep(0.3)
        beside = fastest([work() for _ in range(4)])
    finally:
        for other in others:
            other.kill()
            other.wait()
    assert beside.seconds < 2 * alone.seconds, (alone, beside)
