"""Pixels of each class that were called each class, image by image, and every metric that follows from these numbers alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt

import numpy as np
import pyarrow as pa

from labelfree.samples import IGNORE
from labelfree.transfer.tasks.base import flat
from labelfree.transfer.tasks.shares import mean_share, share
from labelfree.transfer.tasks.weights import Weights


def confusion(truth: np.ndarray, called: np.ndarray, classes: int) -> np.ndarray:
    """(K, K) int64 pixels by [truth, called], where the truth is known.

    `truth`: (*spatial) positions of classes or IGNORE. `called`: (*spatial) positions. Raises ValueError where they differ in size.
    """
    if truth.shape != called.shape:
        raise ValueError(f"A mask of {truth.shape} pixels was answered with one of {called.shape}.")
    known = truth != IGNORE
    pairs = truth[known].astype(np.int64) * classes + called[known]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


@dataclass(frozen=True)
class Overlap:
    """(…, K) pixels: of class k and called so, called k, and of class k. `background`: whether the first class is no object."""

    hits: np.ndarray
    called: np.ndarray
    support: np.ndarray
    background: bool

    @classmethod
    def of_images(cls, answers: pa.Table) -> Overlap:
        """(n, K): of each image."""
        tables = confusions(answers)
        hits = np.diagonal(tables, axis1=1, axis2=2)
        return cls(hits, tables.sum(1), tables.sum(2), bool(len(answers) and answers["background"][0].as_py()))

    @classmethod
    def pooled(cls, answers: pa.Table, weights: Weights) -> Overlap:
        """(B, K): of all images together."""
        images = cls.of_images(answers)
        sums = weights.column_sums(np.concatenate([images.hits, images.called, images.support], 1))
        hits, called, support = np.split(sums, 3, axis=1)
        return cls(hits, called, support, images.background)

    @property
    def union(self) -> np.ndarray:
        return self.called + self.support - self.hits

    @property
    def objects(self) -> Overlap:
        """The same without the background, where there is one."""
        first = int(self.background)
        return Overlap(self.hits[..., first:], self.called[..., first:], self.support[..., first:], False)

    @property
    def dice(self) -> np.ndarray:
        """Mean Dice, 2 |A ∩ B| / (|A| + |B|), over the classes that occur or are called."""
        return mean_share(2 * self.hits, self.called + self.support)


def confusions(answers: pa.Table) -> np.ndarray:
    """(n, K, K) of the answers' images."""
    numbers = flat(answers["confusion"])
    classes = isqrt(numbers.shape[1])
    return numbers.reshape(-1, classes, classes)


def mean_iou(answers: pa.Table, weights: Weights) -> np.ndarray:
    """Mean intersection over union of the classes that occur or are called, background included, pixels of all images together."""
    pixels = Overlap.pooled(answers, weights)
    return mean_share(pixels.hits, pixels.union)


def dice(answers: pa.Table, weights: Weights) -> np.ndarray:
    """Mean Dice of the classes of objects that occur or are called, pixels of all images together."""
    return Overlap.pooled(answers, weights).objects.dice


def dice_per_image(answers: pa.Table, weights: Weights) -> np.ndarray:
    """Mean over the images whose reference holds an object; of an image, over its classes of objects that occur or are called."""
    objects = Overlap.of_images(answers).objects
    return weights.mean(objects.dice, objects.support.sum(1) > 0)


def empty_kept(answers: pa.Table, weights: Weights) -> np.ndarray:
    """Share of the images whose reference holds no object in which none was called."""
    objects = Overlap.of_images(answers).objects
    seen = objects.support.sum(1) + objects.called.sum(1) > 0
    measured = confusions(answers).sum((1, 2)) > 0
    return weights.mean((~seen).astype(np.float64), measured & (objects.support.sum(1) == 0))


def absent_kept(answers: pa.Table, weights: Weights) -> np.ndarray:
    """Share of the classes of objects that an image's reference lacks of which nothing was called there, all images together."""
    objects = Overlap.of_images(answers).objects
    absent = (objects.support == 0) & (confusions(answers).sum((1, 2)) > 0)[:, None]
    kept = weights.sums((absent & (objects.called == 0)).sum(1))
    return share(kept, weights.sums(absent.sum(1)))


def accuracy(answers: pa.Table, weights: Weights) -> np.ndarray:
    """Share of pixels called right: of a map the overall accuracy."""
    pixels = Overlap.pooled(answers, weights)
    return share(pixels.hits.sum(-1), pixels.support.sum(-1))


@dataclass(frozen=True)
class ClassScores:
    """One class over all images. `pixels` of it in the reference, `called`: pixels that were called so.

    `producers`: share of its pixels that were called so (recall). `users`: share of the pixels called so that are of it (precision).
    Shares are NaN where they are not defined.
    """

    name: str
    pixels: int
    called: int
    iou: float
    dice: float
    producers: float
    users: float


def class_scores(table: np.ndarray, names: Sequence[str]) -> list[ClassScores]:
    """Scores of each class from a (K, K) confusion matrix, such as `confusions(answers).sum(0)`."""
    hits, called, support = np.diagonal(table), table.sum(0), table.sum(1)
    columns = (support, called, share(hits, called + support - hits), share(2 * hits, called + support), share(hits, support))
    rows = zip(names, *(column.tolist() for column in (*columns, share(hits, called))), strict=True)
    return [ClassScores(*row) for row in rows]
