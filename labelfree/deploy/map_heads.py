"""Heads that tell the class of every pixel: tiles are answered and blended in strips."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from labelfree.data.measured_pixels import finite
from labelfree.deploy.tile_heads import Reads, TilesHead, Wanted, in_memory, known_pixels, slices
from labelfree.domain import NOTHING, Sample
from labelfree.transfer.maps.base import MapHead
from labelfree.transfer.maps.prediction import Blend


@dataclass(frozen=True)
class Strip:
    """Slices of a map from `start` on. `numbers`: (n, *rest) int16 positions among the classes, NOTHING where nothing is said.

    `confidence`: (n, *rest) float32, the share of the class that is called.
    """

    start: int
    numbers: np.ndarray
    confidence: np.ndarray


@dataclass(frozen=True)
class ClassMap:
    """What a head says of one image: `numbers` and `confidence` (*spatial) as in a strip, and the names of the `classes`."""

    numbers: np.ndarray
    confidence: np.ndarray
    classes: tuple[str, ...]

    def share(self, name: str) -> float:
        """Of the pixels of which anything is said."""
        said = int((self.numbers != NOTHING).sum())
        return float((self.numbers == self.classes.index(name)).sum() / max(1, said))


class MapsHead(TilesHead[ClassMap]):
    """A head of maps. `head`: levels of features and a shape -> (B, K, *shape) logits."""

    head: MapHead

    def predict(self, image: str | Path | Sample) -> ClassMap:
        sliced = in_memory(image, self.domain.name) if isinstance(image, Sample) else slices(self.domain, self.row(image))
        return whole_map(list(self.strips(sliced.read, sliced.size)), self.classes)

    def strips(self, read: Reads, size: tuple[int, ...], begin: int = 0, wanted: Wanted | None = None) -> Iterator[Strip]:
        """The map from slice `begin` on, a strip as soon as no later tile reaches it. What it says depends on the image alone, not on where
        it begins. Raises DataError for an image that this head does not take.
        """
        side, whole = self.card.shape, self.whole(read, size)
        firsts = [first for first in self.corners(size) if first + side[0] > begin]
        blend, top = self._blend(side, size), max(0, firsts[0])
        there = np.zeros(blend.weight.shape, bool)
        for at, first in enumerate(firsts):
            start, stop = max(0, first), min(first + side[0], size[0])
            blend, there, top = blend.moved(start - top), np.roll(there, top - start, axis=0), start
            sample = finite(read(start, stop))
            known = known_pixels(sample, None if wanted is None else wanted(start, stop))
            there[: stop - start] = known
            if known.any():
                self._add(blend, sample, known, first - start, whole)
            final = size[0] if at + 1 == len(firsts) else max(0, firsts[at + 1])
            low = max(begin, top)
            if final > low:
                yield _strip(blend, there, low, slice(low - top, final - top))

    def _blend(self, side: tuple[int, ...], size: tuple[int, ...]) -> Blend:
        return Blend.empty(len(self.classes), (min(side[0], size[0]), *size[1:]), side)

    @torch.inference_mode()
    def _add(self, blend: Blend, sample: Sample, known: np.ndarray, first: int, whole: Tensor | None) -> None:
        """All tiles of one row of them, whose first slice is `first` of the sample; none where nothing is `known`."""
        for corners, levels in self.looked_at(sample, known, first, whole):
            shares = self.head(levels, self.card.shape).float().softmax(1).cpu().numpy()
            for told, corner in zip(shares, corners, strict=True):
                blend.add(told, corner)


def whole_map(strips: Sequence[Strip], classes: tuple[str, ...]) -> ClassMap:
    """What the strips of an image say together."""
    numbers, confidence = (np.concatenate([getattr(strip, name) for strip in strips]) for name in ("numbers", "confidence"))
    return ClassMap(numbers, confidence, classes)


def _strip(blend: Blend, there: np.ndarray, start: int, rows: slice) -> Strip:
    weight = blend.weight[rows]
    said = there[rows] & (weight > 0)
    shares = blend.total[:, rows] / np.where(weight > 0, weight, 1)
    return Strip(start, np.where(said, shares.argmax(0), NOTHING).astype(np.int16), np.where(said, shares.max(0), 0).astype(np.float32))
