"""Volumes kept in memory for a while: slices of one are read one after another, by several threads."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

from labelfree_medical.stored import Stored

if TYPE_CHECKING:
    from labelfree_medical.masks.grids import Grid

MOST_BYTES = 2**30


@dataclass(frozen=True)
class Prepared:
    """An image as it is learnt from. `whole`: the grid on which its files hold it, where masks must cover it."""

    image: Stored
    whole: Grid


class KeptVolumes:
    """The volumes asked for last, at most `most` bytes of them, or one. Each is made by one thread, which the others wait for."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self.most = most
        self._lock = Lock()
        self._kept: OrderedDict[Hashable, Prepared] = OrderedDict()
        self._making: dict[Hashable, Lock] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return KeptVolumes, (self.most,)  # another process keeps its own

    def get(self, key: Hashable, make: Callable[[], Prepared]) -> Prepared:
        """The volume of this key, made where it is not kept. What `make` raises goes on."""
        with self._lock:
            making = self._making.setdefault(key, Lock())
        with making:
            with self._lock:
                if key in self._kept:
                    self._kept.move_to_end(key)
                    return self._kept[key]
            volume = make()
            with self._lock:
                self._kept[key] = volume
                while len(self._kept) > 1 and sum(each.image.data.nbytes for each in self._kept.values()) > self.most:
                    self._making.pop(self._kept.popitem(last=False)[0], None)
            return volume
