"""Average precision of found boxes under any weights of images: matches never change, only how often each image counts.

COCO's interpolation: precision is read off at 101 recalls, at each the highest of any recall as high (Lin et al. 2014, arXiv:1405.0312).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from labelfree.transfer.tasks.base import flat
from labelfree.transfer.tasks.box_matches import IGNORED, MATCHED, OVERLAPS, SIZES
from labelfree.transfer.tasks.weights import Weights

if TYPE_CHECKING:
    from scipy.sparse import csr_array

RECALLS = np.linspace(0, 1, 101)
NEXT = np.append(RECALLS, np.inf)


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

    def precision(self, weights: Weights, levels: Sequence[int]) -> np.ndarray:
        """(B,) average precision, mean over some overlaps; NaN where the images drawn hold no object."""
        objects = weights.sums(self.objects.astype(np.float64))
        total = np.zeros(len(weights))
        for counted, alike in self._counting(levels):
            hits = np.flatnonzero((self.matches[:, alike] == MATCHED).any(1))
            between, start = self._between(hits, counted, weights), 0
            for block in weights.blocks(len(hits)):
                drawn = slice(start, start + len(block))
                for steps, height in self._curves(block, hits, between, objects[drawn], weights.groups, alike):
                    total[drawn] += (steps * height).sum(0)
                start += len(block)
        return np.where(objects > 0, total / (len(RECALLS) * len(levels)), np.nan)

    def curve(self, level: int) -> np.ndarray | None:
        """(101,) precision at each of `RECALLS`, every image counted once; None without objects."""
        if not self.objects.sum():
            return None
        once, height_at = Weights.once(len(self.objects)), np.zeros(len(RECALLS))
        for counted, alike in self._counting([level]):
            hits = np.flatnonzero(self.matches[:, level] == MATCHED)
            between = self._between(hits, counted, once)
            for steps, height in self._curves(once.counts, hits, between, self.objects.sum(keepdims=True), once.groups, alike):
                heights = np.repeat(height[:, 0], steps[:, 0])
                height_at[: len(heights)] = heights
        return height_at

    def _counting(self, levels: Sequence[int]) -> list[tuple[np.ndarray, list[int]]]:
        """Of some overlaps those at which the same boxes count: (N,) bool of these, and which overlaps."""
        counted = self.matches != IGNORED
        alike: dict[bytes, list[int]] = {}
        for level in levels:
            alike.setdefault(np.packbits(counted[:, level]).tobytes(), []).append(level)
        return [(counted[:, of[0]], of) for of in alike.values()]

    def _between(self, hits: np.ndarray, counted: np.ndarray, weights: Weights) -> csr_array:
        """(M, G) boxes of each group that count, by the first of `hits` that is no surer: only hits raise recall, so that precision is
        read off there and nowhere else.
        """
        from scipy.sparse import csr_array

        after = np.searchsorted(hits, np.arange(len(self.image)))
        inside = counted & (after < len(hits))
        where = after[inside], weights.groups[self.image[inside]]
        return csr_array((np.ones(inside.sum()), where), shape=(len(hits), weights.counts.shape[1]))

    def _curves(
        self, counts: np.ndarray, hits: np.ndarray, between: csr_array, objects: np.ndarray, groups: np.ndarray, levels: Sequence[int]
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Of each overlap, at each match (m, b): how many of the recalls are first reached there, and the precision that holds for them.

        `counts`: (b, G) of groups. `objects`: (b,) to be found.
        """
        called = np.cumsum(between @ counts.T, axis=0)
        weight = counts.T[groups[self.image[hits]]]
        for level in levels:
            right = self.matches[hits, level] == MATCHED
            found = np.cumsum(weight[right], axis=0)
            precision = np.divide(found, called[right], out=np.zeros_like(found), where=found > 0)
            height = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
            yield np.diff(recalls_up_to(found / np.maximum(objects, 1)), axis=0, prepend=0), height


def recalls_up_to(recall: np.ndarray) -> np.ndarray:
    """How many of `RECALLS` are no higher: what a search among them finds, in a quarter of its time. `recall`: 0 to 1."""
    guess = (100 * recall).astype(np.intp)  # rounding leaves it off by one at most
    count: np.ndarray = guess + (NEXT[guess] <= recall) + (NEXT[guess + 1] <= recall)
    return count


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
