"""Images shown beside the one asked about: those most like it that have a label, else those of its group or beside it in the list."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from labelfree.errors import DataError

if TYPE_CHECKING:
    from labelfree.backbones.weights import LoadedBackbone
    from labelfree.domain import Domain, Row

SHOWN = 6


class Neighbour(NamedTuple):
    """Another image by its position, and why it is shown."""

    at: int
    why: str


class Neighbours(Protocol):
    """`note`: what is still being done, "" if nothing."""

    @property
    def note(self) -> str: ...

    def of(self, at: int, answered: Sequence[int]) -> list[Neighbour]:
        """The neighbours of the image at a position, nearest first. `answered`: positions of images that have a label."""
        ...


class InTheList:
    """Images of the same group, those with a label first; then those before and after it in the list."""

    note = ""

    def __init__(self, groups: Sequence[str]) -> None:
        self.groups = groups

    def of(self, at: int, answered: Sequence[int]) -> list[Neighbour]:
        group, known = self.groups[at], set(answered)
        same = [i for i, other in enumerate(self.groups) if group and other == group and i != at]
        kept = [Neighbour(i, "same group") for i in sorted(same, key=lambda i: (i not in known, abs(i - at)))]
        around = [i for step in range(1, SHOWN + 1) for i in (at - step, at + step) if 0 <= i < len(self.groups)]
        kept += [Neighbour(i, "before it" if i < at else "after it") for i in around if i not in same]
        return kept[:SHOWN]


class BySimilarity:
    """The labelled images whose features are most like its own (cosine), computed in the background, in order; till then `otherwise`.

    `rows`: all images, (n,). An image that can't be read has no neighbours of its own.
    """

    def __init__(self, encoder: LoadedBackbone, domain: Domain, rows: Sequence[Row], otherwise: Neighbours) -> None:
        import numpy as np

        self.encoder, self.domain, self.rows, self.otherwise = encoder, domain, rows, otherwise
        self.features = np.full((len(rows), encoder.dim), np.nan, np.float32)
        self.done, self.fault = 0, ""
        threading.Thread(target=self._compute, daemon=True).start()

    @property
    def note(self) -> str:
        if self.fault or self.done == len(self.rows):
            return self.fault
        return f"{self.done} of {len(self.rows)} images are compared so far"

    def of(self, at: int, answered: Sequence[int]) -> list[Neighbour]:
        import numpy as np

        others = np.array([i for i in answered if i != at and not np.isnan(self.features[i, 0])], dtype=int)
        if np.isnan(self.features[at, 0]) or not len(others):
            return self.otherwise.of(at, answered)
        likeness = self.features[others] @ self.features[at]
        order = np.argsort(-likeness, kind="stable")[:SHOWN]
        return [Neighbour(int(others[i]), f"likeness {likeness[i]:.2f}") for i in order]

    def _compute(self) -> None:
        from labelfree.data.pool import read_sample

        for at, row in enumerate(self.rows):
            sample = read_sample(self.domain.read, row)
            try:
                if not isinstance(sample, DataError):
                    vector = self.encoder.embed(sample)[0].numpy()
                    self.features[at] = vector / max(float((vector**2).sum()) ** 0.5, 1e-12)
            except Exception as error:  # other channels than the weights know, or no memory: the page goes on without
                self.fault = f"Not every image is compared: {error}"
            self.done = at + 1
