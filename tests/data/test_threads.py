"""Results in order, whatever thread is quick, and nobody waits for himself when the iterator is left."""

from __future__ import annotations

import threading

import pytest

from labelfree.data import threads
from labelfree.data.threads import in_order


def test_results_come_in_the_order_of_the_items() -> None:
    assert list(in_order(lambda number: number * number, range(50), workers=4)) == [number * number for number in range(50)]


def test_an_error_comes_where_its_item_stands() -> None:
    results = in_order(lambda number: 1 // (3 - number), range(9), workers=2)
    assert [next(results) for _ in range(3)] == [0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_an_iterator_that_is_left_may_be_cleared_away_by_its_own_thread() -> None:
    """As when a cycle that holds it is collected while a thread allocates: that thread cannot join itself."""
    suspended, closed, faults = threading.Event(), threading.Event(), list[BaseException]()

    def work(number: int) -> int:
        if number == 7:  # the last that is handed out before the first result is
            suspended.wait(5)
            try:
                results.close()
            except BaseException as error:
                faults.append(error)
            closed.set()
        return number

    results = in_order(work, range(40), workers=2)
    assert next(results) == 0
    suspended.set()
    assert closed.wait(5) and not faults
    assert list(results) == []


@pytest.mark.parametrize("gigabytes, most", [(1000.0, 16), (4.0, 2), (0.5, 1)])
def test_of_large_results_fewer_are_under_way(gigabytes: float, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 128 MiB each, eight copies of which are counted against half of the memory."""
    monkeypatch.setattr(threads, "free_bytes", lambda: gigabytes * 2**30)
    begun, seen = list[int](), list[int]()
    for number in in_order(lambda number: begun.append(number) or number, range(40), workers=4, size=lambda _: 2.0**27):
        seen.append(number)
        assert len(begun) - len(seen) <= most
    assert seen == list(range(40))
