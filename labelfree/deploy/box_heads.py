"""Heads that find objects: tiles are looked at one after the other, and what each shows is told once for the whole image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from labelfree.data.boxes import Detections
from labelfree.data.measured_pixels import finite
from labelfree.deploy.tile_heads import Reads, TilesHead, Wanted, in_memory, known_pixels, slices
from labelfree.domain import Sample
from labelfree.transfer.boxes.heads import BoxHead
from labelfree.transfer.boxes.prediction import detections, of_image
from labelfree.transfer.boxes.strides import reduced


@dataclass(frozen=True)
class FoundBoxes:
    """What a head finds in one image, the surest first. `corners`: (n, 4) float32, x0 y0 x1 y1 in pixels from the outer edge of the first
    one; `names`: the n classes; `scores`: (n,) float32, 0 to 1; `labels`: (n,) positions among the head's classes.
    """

    corners: np.ndarray
    names: tuple[str, ...]
    scores: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.names)


class BoxesHead(TilesHead[FoundBoxes]):
    """A head of boxes. Of a head that has a threshold those with a score from there on are told."""

    needs = "boxes"
    head: BoxHead

    def predict(self, image: str | Path | Sample) -> FoundBoxes:
        sliced = in_memory(image, self.domain.name) if isinstance(image, Sample) else slices(self.domain, self.row(image))
        return self.found(sliced.read, sliced.size)

    @torch.inference_mode()
    def found(self, read: Reads, size: tuple[int, ...], wanted: Wanted | None = None) -> FoundBoxes:
        """The objects of an image that is read in slices; where it is `wanted`, those whose middle lies there.

        Raises DataError for an image that this head does not take.
        """
        whole = self.whole(read, size)
        side, parts, corners = self.card.shape, list[Detections](), list[tuple[int, ...]]()
        for first in self.corners(size):
            start, stop = max(0, first), min(first + side[0], size[0])
            sample = finite(read(start, stop))
            known = known_pixels(sample, None if wanted is None else wanted(start, stop))
            for looked, levels in self.looked_at(sample, known, first - start, whole):
                parts += map(detections, self.head(reduced(levels, side), side))
                corners += [(top + start, left) for top, left in looked]
        all_found = of_image(parts, np.array(corners, np.int64).reshape(-1, 2), side, size)
        return self._told(all_found if wanted is None else all_found[_middles_in(all_found, wanted, size)])

    def _told(self, found: Detections) -> FoundBoxes:
        sure = found[found.score.astype(np.float64) >= (self.card.threshold or 0.0)].strongest()  # a threshold may lie between two scores
        return FoundBoxes(sure.corners, tuple(self.classes[label] for label in sure.label), sure.score, sure.label)


def _middles_in(found: Detections, wanted: Wanted, size: tuple[int, ...]) -> np.ndarray:
    """(n,) bool."""
    middles = ((found.corners[:, :2] + found.corners[:, 2:]) / 2).astype(np.int64).clip(0, np.array(size[::-1]) - 1)
    return np.array([wanted(row, row + 1)[0, column] for column, row in middles.tolist()], bool)
