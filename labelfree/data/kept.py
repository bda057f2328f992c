"""What was read last, kept in memory for a while: parts of one file are asked for one after another, by several threads."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, Generic, TypeVar

MOST_BYTES = 2**30
T = TypeVar("T")


class Kept(Generic[T]):
    """What was asked for last, at most `most` bytes of it by `size`, or one. Each is made by one thread, which the others wait for."""

    def __init__(self, size: Callable[[T], int], most: int = MOST_BYTES) -> None:
        self.size, self.most = size, most
        self._lock = Lock()
        self._kept: OrderedDict[Hashable, T] = OrderedDict()
        self._making: dict[Hashable, Lock] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return Kept, (self.size, self.most)  # another process keeps its own

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The one of this key, made where it is not kept. What `make` raises goes on."""
        with self._lock:
            making = self._making.setdefault(key, Lock())
        with making:
            with self._lock:
                if key in self._kept:
                    self._kept.move_to_end(key)
                    return self._kept[key]
            made = make()
            with self._lock:
                self._kept[key] = made
                while len(self._kept) > 1 and sum(map(self.size, self._kept.values())) > self.most:
                    self._making.pop(self._kept.popitem(last=False)[0], None)
            return made
