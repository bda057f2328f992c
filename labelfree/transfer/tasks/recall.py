"""Recall and median rank of retrieval in both directions, under thousands of weights of images at once, and what chance would be."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pyarrow as pa

from labelfree.transfer.tasks.shares import share
from labelfree.transfer.tasks.standing import Standing, chance_rank, missed
from labelfree.transfer.tasks.weights import Weights

COLUMNS = ("right", "ahead", "tied", "level")  # of an answer: a `Standing` of the image, and as lists those of its texts
TEXTS = "text_"  # before the columns of texts
Measure = Callable[[pa.Table, Weights], np.ndarray]
Chance = Callable[[pa.Table], float]


class Queries:
    """The queries of one direction, (Q,) each: where they stand, the `image` that each comes from, and how much it counts.

    A text that several scored images carry is a query of each of them, and counts as one of them all together.
    """

    def __init__(self, answers: pa.Table, of_texts: bool) -> None:
        self.gallery = int(answers["images" if of_texts else "texts"][0].as_py()) if len(answers) else 0
        if not of_texts:
            self.at = Standing(*(answers[name].to_numpy() for name in COLUMNS))
            self.image, self.counts = np.arange(len(answers)), np.ones(len(answers))
            return
        lists = [answers[f"{TEXTS}{name}"].combine_chunks() for name in COLUMNS]
        self.at = Standing(*(column.flatten().to_numpy() for column in lists))
        self.image = np.repeat(np.arange(len(answers)), lists[0].value_lengths().to_numpy()) if len(answers) else np.zeros(0, np.int64)
        self.counts = 1 / self.at.right

    def mean(self, values: np.ndarray, weights: Weights) -> np.ndarray:
        """(B,) weighted mean of (Q,) values."""
        n = len(weights.groups)
        sums = [weights.sums(np.bincount(self.image, each, n)) for each in (self.counts * values, self.counts)]
        return share(*sums)

    def median(self, values: np.ndarray, weights: Weights) -> np.ndarray:
        """(B,) weighted median of (Q,) values: between two where just half lies below."""
        order = np.argsort(values, kind="stable")
        ranked, counts, owner = values[order], self.counts[order], weights.groups[self.image[order]]
        return np.concatenate([_medians(ranked, block[:, owner] * counts) for block in weights.blocks(max(1, len(values)))])


def _medians(ranked: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(B,) medians of ascending values (Q,) with weights (B, Q); NaN where they weigh nothing."""
    if not len(ranked):
        return np.full(len(weights), np.nan)
    reached = np.cumsum(weights, 1)
    half, room = reached[:, -1:] / 2, 1e-9 * np.maximum(reached[:, -1:], 1)
    low, high = ((reached < half - room).sum(1), (reached <= half + room).sum(1))
    last = len(ranked) - 1
    middle = (ranked[np.minimum(low, last)] + ranked[np.minimum(high, last)]) / 2
    return np.where(reached[:, -1] > 0, middle, np.nan)


def recall(first: int, of_texts: bool) -> tuple[Measure, Chance]:
    """Share of queries with a right answer among the `first`, and what it would be by chance."""
    return partial(_recall, first, of_texts), partial(_chance, first, of_texts)


def median_rank(of_texts: bool) -> tuple[Measure, Chance]:
    """The median place of the first right answer, and what it would be by chance."""
    return partial(_median_rank, of_texts), partial(_median_chance, of_texts)


def _recall(first: int, of_texts: bool, answers: pa.Table, weights: Weights) -> np.ndarray:
    queries = Queries(answers, of_texts)
    return queries.mean(queries.at.within(first), weights)


def _median_rank(of_texts: bool, answers: pa.Table, weights: Weights) -> np.ndarray:
    queries = Queries(answers, of_texts)
    return queries.median(queries.at.rank, weights)


def _chance(first: int, of_texts: bool, answers: pa.Table) -> float:
    queries = Queries(answers, of_texts)
    return float(queries.mean(1 - missed(queries.at.right, queries.gallery, first), Weights.once(len(answers)))[0])


def _median_chance(of_texts: bool, answers: pa.Table) -> float:
    queries = Queries(answers, of_texts)
    return chance_rank(queries.at.right, queries.counts, queries.gallery)
