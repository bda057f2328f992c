"""Volumes and their masks kept in memory for a while: slices of one are read one after another, by several threads."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from labelfree_medical.stored import Stored

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from labelfree_medical.masks.grids import Grid

MOST_BYTES = 2**30
T = TypeVar("T")


@dataclass(frozen=True)
class Prepared:
    """An image as it is learnt from. `whole`: the grid on which its files hold it, where masks must cover it. `steps`: (4, 4), an index of
    a volume and 1 to one of that grid; None of pictures. `spacing`: mm along the axes of that grid.
    """

    image: Stored
    whole: Grid
    steps: np.ndarray | None = None
    spacing: tuple[float, ...] | None = None


def image_bytes(prepared: Prepared) -> int:
    """How much memory an image takes."""
    return prepared.image.data.nbytes


def mask_bytes(mask: Tensor) -> int:
    """How much memory a mask takes."""
    return mask.nbytes


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
