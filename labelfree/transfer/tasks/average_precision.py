"""Average precision of found boxes under any weights of images: matches never change, only how often each image counts.

COCO's interpolation: precision is read off at 101 recalls, at each the highest of any recall as high (Lin et al. 2014, arXiv:1405.0312).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from labelfree.transfer.tasks.base import flat
from labelfree.transfer.tasks.box_matches import IGNORED, MATCHED, OVERLAPS, SIZES
from labelfree.transfer.tasks.weights import Weights

RECALLS = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class Ranked:
    """What was found on all images, by falling score, of equal ones the earlier image's first.

    `image`, `label`: (N,) positions. `matches`: (N, sizes, overlaps) int8. `objects`: (n, classes, sizes) to be found on each image.
    """

    image: np.ndarray
    label: np.ndarray
    matches: np.ndarray
    objects: np.ndarray

    @classmethod
    def of(cls, answers: pa.Table) -> Ranked:
        """From the answers of n images."""
        scores, labels, said = (answers[name].combine_chunks() for name in ("score", "label", "matches"))
        order = np.argsort(-scores.flatten().to_numpy(), kind="stable")
        image = np.repeat(np.arange(len(answers)), scores.value_lengths().to_numpy())
        table = said.flatten().to_numpy().reshape(-1, len(SIZES), len(OVERLAPS))
        objects = flat(answers["objects"]).reshape(len(answers), -1, len(SIZES)) if len(answers) else np.zeros((0, 0, len(SIZES)), int)
        return cls(image[order], labels.flatten().to_numpy()[order], table[order], objects)

    def of_class(self, label: int, size: int) -> OneClass:
        """What was called so, measured at one size."""
        mine = np.flatnonzero(self.label == label)
        return OneClass(self.image[mine], self.matches[mine, size], self.objects[:, label, size])


@dataclass(frozen=True)
class OneClass:
    """What was called one class, at one size. `image`: (N,); `matches`: (N, overlaps); `objects`: (n,) to be found on each image."""

    image: np.ndarray
    matches: np.ndarray
    objects: np.ndarray

    @cached_property
    def ignoring(self) -> list[tuple[np.ndarray, list[int]]]:
        """The overlaps at which the same boxes count: (N,) bool of these, and which overlaps."""
        counted = self.matches != IGNORED
        alike: dict[bytes, list[int]] = {}
        for level, column in enumerate(counted.T):
            alike.setdefault(np.packbits(column).tobytes(), []).append(level)
        return [(counted[:, levels[0]], levels) for levels in alike.values()]

    def precision(self, weights: Weights, levels: Sequence[int]) -> np.ndarray:
        """(B,) average precision, mean over some overlaps; NaN where the images drawn hold no object."""
        objects, total = weights.sums(self.objects.astype(np.float64)), np.zeros(len(weights))
        start = 0
        for lines in Weights(weights.counts, weights.groups[self.image]).lines():
            block = slice(start, start + len(lines))
            for steps, height in self._curves(lines, objects[block], levels):
                total[block] += (steps * height).sum(1)
            start += len(lines)
        return np.where(objects > 0, total / (len(RECALLS) * len(levels)), np.nan)

    def _curves(self, lines: np.ndarray, objects: np.ndarray, levels: Sequence[int]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Of each overlap, at each match (B, m): how many of the recalls are first reached there, and the precision that holds for them.

        `lines`: (B, N) weights of boxes. Only matches raise recall or precision, so that nothing is read off in between.
        """
        for counted, alike in self.ignoring:
            called = np.cumsum(lines * counted, axis=1)
            for level in sorted(set(alike) & set(levels)):
                hit = np.flatnonzero(self.matches[:, level] == MATCHED)
                found = np.cumsum(lines[:, hit], axis=1)
                precision = np.divide(found, called[:, hit], out=np.zeros_like(found), where=found > 0)
                height = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
                reached = np.searchsorted(RECALLS, found / np.maximum(objects, 1)[:, None], side="right")
                yield np.diff(reached, axis=1, prepend=0), height

    def curve(self, level: int) -> np.ndarray | None:
        """(101,) precision at each of `RECALLS`, every image counted once; None without objects."""
        if not self.objects.sum():
            return None
        height_at = np.zeros(len(RECALLS))
        for steps, height in self._curves(np.ones((1, len(self.image))), np.array([self.objects.sum()]), [level]):
            heights = np.repeat(height[0], steps[0])
            height_at[: len(heights)] = heights
        return height_at


def class_precisions(answers: pa.Table, weights: Weights, size: str = "all", levels: Sequence[int] = range(len(OVERLAPS))) -> np.ndarray:
    """(B, classes) average precision of each class, mean over some of `OVERLAPS`; NaN of a class without objects of that size."""
    ranked = Ranked.of(answers)
    classes = ranked.objects.shape[1]
    columns = [ranked.of_class(label, SIZES.index(size)).precision(weights, levels) for label in range(classes)]
    return np.stack(columns, axis=1) if columns else np.full((len(weights), 1), np.nan)


def mean_precision(answers: pa.Table, weights: Weights, size: str = "all", levels: Sequence[int] = range(len(OVERLAPS))) -> np.ndarray:
    """(B,) mean of `class_precisions` over the classes that have objects, NaN where none has: COCO's AP."""
    found = class_precisions(answers, weights, size, levels)
    known = np.isfinite(found)
    count = known.sum(1)
    return np.divide(np.where(known, found, 0).sum(1), count, out=np.full(len(found), np.nan), where=count > 0)


def precision_curves(answers: pa.Table, overlap: float) -> list[np.ndarray | None]:
    """Of each class (101,) precision at `RECALLS`, boxes being found from an overlap on, one of `OVERLAPS`; None without objects."""
    ranked = Ranked.of(answers)
    level = int(np.argmin(np.abs(OVERLAPS - overlap)))
    return [ranked.of_class(label, 0).curve(level) for label in range(ranked.objects.shape[1])]
