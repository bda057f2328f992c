"""What libraries warn of and log: kept in the run's log, never printed between the sentences that are meant for a person."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from labelfree.installed_domains import hush


class _Keeper(logging.Handler):
    """Hands each record on as one line."""

    def __init__(self, keep: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self.keep = keep

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.keep(f"{record.name}: {' '.join(record.getMessage().split())}")
        except Exception:  # a log that cannot be written stops nothing
            pass


@contextmanager
def quieter(names: Sequence[str], level: int) -> Iterator[None]:
    """Within: the loggers of these names say nothing below `level`, and warnings may be filtered; both are put back."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(level)
    try:
        with warnings.catch_warnings():
            yield
    finally:
        for logger, level_before in zip(loggers, levels, strict=True):
            logger.setLevel(level_before)


def keep_from_terminal(keep: Callable[[str], None]) -> None:
    """From here on warnings and log records of this process go to `keep` alone; what C++ code of torch logs below an error goes nowhere."""
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    hush()
    logging.captureWarnings(True)
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _Keeper)]:
        root.removeHandler(handler)
    root.addHandler(_Keeper(keep))
