"""What the labels of a set's rows say of their images: read when a task asks, by what the set's owner says of classes and numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from labelfree.data.box_labels import BoxLabels, box_labels
from labelfree.data.manifest import Manifest
from labelfree.data.pixel_labels import PixelLabels, pixel_labels
from labelfree.domain import Domain, Row, Sample

L = TypeVar("L", PixelLabels, BoxLabels)


@dataclass(frozen=True)
class SetLabels:
    """Labels of the rows of a manifest. `absent`: classes that nobody looked for. `tell`: hears how labels were read, and what is wrong."""

    manifest: Manifest
    domain: Domain
    absent: Sequence[str] = ()
    tell: Callable[[str], object] = lambda sentence: None

    def pixels(self, rows: Sequence[Row]) -> PixelLabels:
        """What their pixels show."""
        return self._told(pixel_labels(rows, self.domain, self.read, self.manifest.renamed, self.absent, self.manifest.instances))

    def boxes(self, rows: Sequence[Row]) -> BoxLabels:
        """Which boxes they hold."""
        for sentence in self.manifest.box_notes:
            self.tell(sentence)
        return self._told(box_labels(rows, self.domain, self.read, self.manifest.renamed, self.absent, self.manifest.instances))

    @property
    def read(self) -> Callable[[Row], Sample]:
        """What reads images of the set."""
        return self.manifest.read or self.domain.read

    def _told(self, labels: L) -> L:
        for sentence in (*labels.notes, *labels.faults):
            self.tell(sentence)
        return labels
