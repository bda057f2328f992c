"""What is to be learnt of images whose pixels are labelled: masks, read one at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from labelfree.transfer.tasks.base import Targets

BACKGROUND = "background"


@dataclass(frozen=True)
class Masks(Targets):
    """`values`: (n,) positions of entries of the evaluation pool; the rest is asked by entry. `width`: classes, called `names`.

    `load`: (*spatial) int16 positions among `names`, IGNORE where nobody knows. `objects`: (*spatial) int32, 0 or the object that a pixel
    belongs to, IGNORE; None where objects are not told apart. `spacing`: (entries, axes) size of a pixel in `unit`, None where it is not
    known. `digest`: identity of all masks.
    """

    names: tuple[str, ...] = ()
    load: Callable[[int], np.ndarray] = field(default=lambda entry: np.empty(0), compare=False)
    objects: Callable[[int], np.ndarray | None] | None = field(default=None, compare=False)
    spacing: np.ndarray | None = field(default=None, compare=False)
    unit: str = ""
    digest: str = ""

    @property
    def content(self) -> str:
        return self.digest

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
