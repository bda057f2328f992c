"""Ctrl-C and SIGTERM as requests: the step under way is finished and saved, then the run ends with exit code 75."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from labelfree.errors import Interrupted

STOPPING = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Set by the first signal; a second Ctrl-C interrupts at once."""

    def __init__(self) -> None:
        self.received: signal.Signals | None = None

    def __bool__(self) -> bool:
        return self.received is not None

    def receive(self, number: int, _frame: FrameType | None) -> None:
        if self.received is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = signal.Signals(number)

    def listen(self) -> None:
        """Take SIGINT and SIGTERM, from whoever has them. In a thread that is not the main one, nothing changes."""
        if threading.current_thread() is threading.main_thread():
            for number in STOPPING:
                signal.signal(number, self.receive)


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Within: SIGINT and SIGTERM set the request instead of ending the process. In a thread that is not the main one, nothing changes."""
    request = StopRequest()
    before = {number: signal.getsignal(number) for number in STOPPING}
    request.listen()
    try:
        yield request
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                signal.signal(number, handler)


@contextmanager
def raise_on_terminate() -> Iterator[None]:
    """Within: SIGTERM ends the work with Interrupted (exit code 75) at the next Python instruction, as Ctrl-C does.

    Whole files stay whole.
    """

    def terminate(_number: int, _frame: FrameType | None) -> None:
        raise Interrupted("asked to stop; what is finished is kept.")

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
