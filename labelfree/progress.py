"""How long work tells a person where it stands: sentences, and bars with rate and time left.

On a terminal bars are drawn by rich; elsewhere (CI, a log file, a scheduler) plain lines come at most every ten seconds.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self

from typing_extensions import TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

T = TypeVar("T", default=int)


class Progress(Protocol):
    """What every long-running function takes as `say`."""

    def say(self, sentence: str) -> None:
        """Print one sentence, and keep it in the run's log."""
        ...

    def log_to(self, path: Path) -> None:
        """From here on every line is also appended to `path`, with the time."""
        ...

    def track(self, items: Iterable[T] | int, label: str, total: int | None = None) -> Track[T]:
        """Follow work: `for x in say.track(xs, "reading")`, or `with say.track(500, "training") as bar: bar.advance()`.

        `items`: what to go through, or how many steps there are. `total`: their number, where `items` has no length.
        """
        ...


class Track(Generic[T]):
    """One piece of work under way: iterate over it, or enter it and call `advance`."""

    def __init__(self, items: Iterable[T] | int, label: str, total: int | None = None) -> None:
        self.items: Iterable[Any] = range(items) if isinstance(items, int) else items
        self.label, self.done, self.note = label, 0, ""
        self.total = items if isinstance(items, int) else total
        if self.total is None and hasattr(items, "__len__"):
            self.total = len(items)  # type: ignore[arg-type]
        self.started = time.monotonic()

    def advance(self, n: int = 1, note: str = "") -> None:
        """`n` more are done; `note` (a loss, a file's name) replaces the one shown."""
        self.done += n
        self.note = note or self.note

    @property
    def rate(self) -> float:
        """Steps a second since the start."""
        return self.done / max(time.monotonic() - self.started, 1e-9)

    def line(self) -> str:
        """The state in one plain line: `pretraining: 120/500, 3.1/s, 2 min left`."""
        parts = [f"{self.label}: {self.done}/{self.total}" if self.total is not None else f"{self.label}: {self.done}", _rate(self.rate)]
        if self.total is not None and self.done and self.done < self.total:
            parts.append(f"{duration((self.total - self.done) / self.rate)} left")
        elif self.done:
            parts.append(f"took {duration(time.monotonic() - self.started)}")
        return ", ".join(parts + ([self.note] if self.note else []))

    def __enter__(self) -> Self:
        self.started = time.monotonic()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Nothing to close here; bars and lines do."""

    def __iter__(self) -> Iterator[T]:
        with self:
            for item in self.items:
                yield item
                self.advance()


class Silent:
    """Says nothing: for tests, and for a library call that should not print."""

    def say(self, sentence: str) -> None:
        """Swallow the sentence."""

    def log_to(self, path: Path) -> None:
        """Keep nothing."""

    def track(self, items: Iterable[T] | int, label: str, total: int | None = None) -> Track[T]:
        """Count without showing."""
        return Track(items, label, total)


class Console:
    """Prints to the terminal (or plain lines to a pipe), and keeps a copy with times in a log file.

    `every`: least seconds between two plain lines of one piece of work. `live`: draw bars; default: when `stream` is a terminal.
    """

    def __init__(self, log: Path | None = None, *, every: float = 10.0, live: bool | None = None, stream: Any = None) -> None:
        self.stream = stream or sys.stdout
        self.live = self.stream.isatty() if live is None else live
        self.every = every
        self.bars: Bars | None = None
        self.log = log

    def log_to(self, path: Path) -> None:
        """From here on every line is also appended to `path`, with the time."""
        self.log = path

    def say(self, sentence: str) -> None:
        """Print one sentence above the bars, and log it."""
        if self.bars is not None:
            self.bars.console.print(sentence, markup=False, highlight=False, soft_wrap=True)
        else:
            try:
                print(sentence, file=self.stream, flush=True)
            except UnicodeEncodeError:  # a Windows console with an old code page
                plain = sentence.encode(self.stream.encoding or "ascii", "replace").decode(self.stream.encoding or "ascii")
                print(plain, file=self.stream, flush=True)
        self.keep(sentence)

    def keep(self, line: str) -> None:
        """Append one line, with the time, to the log."""
        if self.log is not None:
            with self.log.open("a", encoding="utf-8") as file:
                file.write(f"{datetime.now():%Y-%m-%d %H:%M:%S} {line}\n")

    def track(self, items: Iterable[T] | int, label: str, total: int | None = None) -> Track[T]:
        """A bar on a terminal, plain lines elsewhere."""
        return (_Bar if self.live else _Lines)(self, items, label, total)


class _Lines(Track[T]):
    """Work shown as a plain line every `every` seconds and one at the end."""

    def __init__(self, console: Console, items: Iterable[T] | int, label: str, total: int | None) -> None:
        super().__init__(items, label, total)
        self.console, self.shown = console, time.monotonic()

    def advance(self, n: int = 1, note: str = "") -> None:
        super().advance(n, note)
        if time.monotonic() - self.shown >= self.console.every and self.done != self.total:
            self.shown = time.monotonic()
            self.console.say(self.line())

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.console.say(self.line())


class _Bar(Track[T]):
    """Work shown as a live bar; its last state goes to the log."""

    def __init__(self, console: Console, items: Iterable[T] | int, label: str, total: int | None) -> None:
        super().__init__(items, label, total)
        self.console = console
        self.task: TaskID | None = None

    def __enter__(self) -> Self:
        if self.console.bars is None:
            self.console.bars = _bars(self.console.stream)
            self.console.bars.start()
        self.task = self.console.bars.add_task(self.label, total=self.total, rate="", note="")
        return super().__enter__()

    def advance(self, n: int = 1, note: str = "") -> None:
        super().advance(n, note)
        if self.console.bars is not None and self.task is not None:
            self.console.bars.update(self.task, completed=self.done, rate=_rate(self.rate), note=self.note)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.console.keep(self.line())
        bars = self.console.bars
        if bars is not None and (error is not None or all(task.finished or task.id == self.task for task in bars.tasks)):
            bars.stop()
            self.console.bars = None


def _bars(stream: Any) -> Bars:
    from rich.console import Console as Terminal
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), "{task.fields[rate]}", TimeRemainingColumn(), "left")
    return Bars(*columns, TextColumn("{task.fields[note]}", markup=False), console=Terminal(file=stream))


def _rate(rate: float) -> str:
    return f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s" if rate >= 0.1 or rate == 0 else f"{1 / rate:.0f} s each"


def duration(seconds: float) -> str:
    """Seconds in words a person reads: `40 s`, `12 min`, `3 h 5 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
