"""Probes run on one BLAS thread."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache

from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[object]:
    """Within: BLAS uses one thread. Matrices of a few hundred rows gain nothing from more, and on a busy machine more threads wait
    for one another: 500 rows took 1.5 s with one and 50 to 90 s with two (2 cores, load 7)."""
    found: AbstractContextManager[object] = _controller().limit(limits=1, user_api="blas")
    return found


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()
