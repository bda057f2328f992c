"""Heads that tell the class of every pixel: tiles are answered and blended in strips, so that no image has to stand in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from labelfree.backbones.weights import accepted
from labelfree.data.measured_pixels import finite
from labelfree.data.windows import windowed
from labelfree.deploy.head_card import HeadCard
from labelfree.deploy.loaded_head import WHO, LoadedHead
from labelfree.domain import NOTHING, Domain, Row, Sample, Window, extent_of
from labelfree.errors import DataError
from labelfree.installed_domains import key_for
from labelfree.transfer.encoders import PIXELS, Encoder
from labelfree.transfer.maps.base import MapHead
from labelfree.transfer.maps.features import input_size
from labelfree.transfer.maps.prediction import Blend
from labelfree.transfer.maps.tiling import covering, cut

Reads = Callable[[int, int], Sample]  # slices of an image from a first to before a last along its first spatial axis
Wanted = Callable[[int, int], np.ndarray]  # (n, *rest) bool, where anything is asked at all


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


class MapsHead(LoadedHead[ClassMap]):
    """A head of maps. `head`: levels of features and a shape -> (B, K, *shape) logits."""

    head: MapHead

    def __init__(self, path: Path, card: HeadCard, domain: Domain, encoder: Encoder, head: MapHead) -> None:
        self.device = torch.device(getattr(encoder, "device", "cpu"))  # beside its network
        super().__init__(path, card, domain, encoder, head.to(self.device))

    def predict(self, image: str | Path | Sample) -> ClassMap:
        sliced = in_memory(image) if isinstance(image, Sample) else slices(self.domain, self.row(image))
        return whole_map(list(self.strips(sliced.read, sliced.size)), self.classes)

    def corners(self, size: tuple[int, ...]) -> list[int]:
        """First slices of the rows of tiles that an image of this size is looked at in."""
        return covering(size[0], self.card.shape[0])

    def strips(self, read: Reads, size: tuple[int, ...], begin: int = 0, wanted: Wanted | None = None) -> Iterator[Strip]:
        """The map from slice `begin` on, a strip as soon as no later tile reaches it. What it says depends on the image alone, not on where
        it begins. Raises DataError for an image that this head does not take.
        """
        side = self.card.shape
        firsts = [first for first in self.corners(size) if first + side[0] > begin]
        blend, top = self._blend(side, size), max(0, firsts[0])
        there = np.zeros(blend.weight.shape, bool)
        for at, first in enumerate(firsts):
            start, stop = max(0, first), min(first + side[0], size[0])
            blend, there, top = _moved(blend, there, start - top), np.roll(there, top - start, axis=0), start
            sample = finite(read(start, stop))
            asked = np.ones((stop - start, *size[1:]), bool) if wanted is None else wanted(start, stop)
            known = asked if sample.measured is None else asked & sample.measured.numpy()
            there[: stop - start] = known
            if known.any():
                self._add(blend, sample, known, first - start)
            final = size[0] if at + 1 == len(firsts) else max(0, firsts[at + 1])
            low = max(begin, top)
            if final > low:
                yield _strip(blend, there, low, slice(low - top, final - top))

    def _blend(self, side: tuple[int, ...], size: tuple[int, ...]) -> Blend:
        return Blend.empty(len(self.classes), (min(side[0], size[0]), *size[1:]), side)

    @torch.inference_mode()
    def _add(self, blend: Blend, sample: Sample, known: np.ndarray, first: int) -> None:
        """All tiles of one row of them, whose first slice is `first` of the sample; none where nothing is `known`."""
        side = self.card.shape
        pixels = accepted(self.card.images, sample, WHO).numpy()
        measured = None if sample.measured is None else sample.measured.numpy()[None]
        waiting = list[tuple[int, ...]]()
        room = max(1, PIXELS // (4 * int(np.prod(side))))
        for rest in product(*map(covering, known.shape[1:], side[1:])):
            if cut(known[None], (first, *rest), side).any():
                waiting.append((first, *rest))
            if len(waiting) == room:
                self._tiles(blend, pixels, measured, waiting)
                waiting.clear()
        if waiting:
            self._tiles(blend, pixels, measured, waiting)

    def _tiles(self, blend: Blend, pixels: np.ndarray, measured: np.ndarray | None, corners: list[tuple[int, ...]]) -> None:
        side = self.card.shape
        physical = torch.from_numpy(np.stack([cut(pixels, corner, side) for corner in corners]))
        there: Tensor | None = None
        if measured is not None:
            there = torch.from_numpy(np.stack([cut(measured, corner, side)[0] for corner in corners]))
        levels = [level.to(self.device) for level in self.encoder.maps(physical, there, input_size(side, self.size))]
        shares = self.head(levels, side).float().softmax(1).cpu().numpy()
        for told, corner in zip(shares, corners, strict=True):
            blend.add(told, corner)


def whole_map(strips: Sequence[Strip], classes: tuple[str, ...]) -> ClassMap:
    """What the strips of an image say together."""
    numbers, confidence = (np.concatenate([getattr(strip, name) for strip in strips]) for name in ("numbers", "confidence"))
    return ClassMap(numbers, confidence, classes)


@dataclass(frozen=True)
class Slices:
    """An image read in slices along its first spatial axis. `first`: a part that begins at its first pixel; `size`: of all of it."""

    first: Sample
    size: tuple[int, ...]
    read: Reads


def slices(domain: Domain, row: Row) -> Slices:
    """A scene is read where it lies, anything else stands in memory. Raises DataError where it cannot be read, or nothing is measured."""
    size = None if row.window else extent_of(domain)(row)
    if size is None:
        return in_memory(domain.read(row))
    scene = size

    def read(start: int, stop: int) -> Sample:
        return domain.read(windowed(row, Window((start, *(0,) * (len(scene) - 1)), (stop - start, *scene[1:]))))

    return Slices(read(0, 1), scene, read)


def in_memory(sample: Sample) -> Slices:
    """Of an image that was read. Raises DataError where nothing of it is measured."""
    if sample.empty == 1:
        told = f"{sample.source or 'this image'}: none of its pixels holds a measurement"
        raise DataError(f"{told}; leave it out, or correct what {key_for('gaps')} says.")
    whole = sample.with_one_scale()

    def read(start: int, stop: int) -> Sample:
        measured = None if whole.measured is None else whole.measured[start:stop]
        return replace(whole, data=whole.data[:, start:stop], measured=measured)

    return Slices(whole, tuple(whole.data.shape[1:]), read)


def _moved(blend: Blend, there: np.ndarray, by: int) -> Blend:
    """What is left of a blend whose first slices are final, begun `by` slices later."""
    if by == 0:
        return blend
    fresh = Blend(np.zeros_like(blend.total), np.zeros_like(blend.weight), blend.tent)
    fresh.total[:, : len(blend.weight) - by] = blend.total[:, by:]
    fresh.weight[: len(blend.weight) - by] = blend.weight[by:]
    return fresh


def _strip(blend: Blend, there: np.ndarray, start: int, rows: slice) -> Strip:
    weight = blend.weight[rows]
    said = there[rows] & (weight > 0)
    shares = blend.total[:, rows] / np.where(weight > 0, weight, 1)
    return Strip(start, np.where(said, shares.argmax(0), NOTHING).astype(np.int16), np.where(said, shares.max(0), 0).astype(np.float32))
