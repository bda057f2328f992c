"""What is to be learnt of images whose pixels are labelled: masks, read one at a time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from labelfree.data.label_formats.listed import BACKGROUND
from labelfree.transfer.tasks.base import Targets

KEPT = 2**28  # bytes of masks held at once


class Kept:
    """What `load` gives for an entry, read once: those last asked for are held, up to `most` bytes. Nobody may write into them."""

    def __init__(self, load: Callable[[int], np.ndarray], most: int = KEPT) -> None:
        self.load, self.most, self.size = load, most, 0
        self.held: OrderedDict[int, np.ndarray] = OrderedDict()

    def __call__(self, entry: int) -> np.ndarray:
        if entry not in self.held:
            mask = self.load(entry)
            mask.flags.writeable = False
            self.held[entry], self.size = mask, self.size + mask.nbytes
        self.held.move_to_end(entry)
        while self.size > self.most and len(self.held) > 1:
            self.size -= self.held.popitem(last=False)[1].nbytes
        return self.held[entry]


@dataclass(frozen=True)
class Masks(Targets):
    """`values`: (n,) positions of entries of the evaluation pool; the rest is asked by entry. `width`: classes, called `names`.

    `load`: (*spatial) int16 positions among `names`, IGNORE where nobody knows. `objects`: (*spatial) int32, 0 or the object that a pixel
    belongs to, IGNORE; None where no objects are told apart. `spacing`: (entries, axes) size of a pixel in `unit`, None where it is not
    known. `tolerance`: how far a boundary may lie from the true one to be called the same, in `unit`. `digest`: identity of all masks.
    """

    names: tuple[str, ...] = ()
    load: Callable[[int], np.ndarray] = field(default=lambda entry: np.empty(0), compare=False)
    objects: Callable[[int], np.ndarray] | None = field(default=None, compare=False)
    spacing: np.ndarray | None = field(default=None, compare=False)
    unit: str = ""
    tolerance: float = 0.0
    digest: str = ""

    @property
    def content(self) -> str:
        return f"{self.digest} within {self.tolerance:g}" if self.tolerance else self.digest

    @property
    def background(self) -> bool:
        """Whether the first class is what lies outside of objects."""
        return self.names[:1] == (BACKGROUND,)

    @property
    def foreground(self) -> range:
        """Positions of the classes of objects: all but the background, where there is one."""
        return range(int(self.background), self.width)

    def __getitem__(self, rows: np.ndarray) -> Masks:
        return replace(self, values=self.values[rows])
