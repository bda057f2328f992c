"""Segmentation as the tests of this folder speak of it: masks in, answers of the seam out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from labelfree.data.label_formats.listed import BACKGROUND
from labelfree.transfer.tasks import Weights
from labelfree.transfer.tasks.masks import Masks
from labelfree.transfer.tasks.segmentation import Segmentation

TASK = Segmentation()
UNKNOWN = -1


def masks(truths: Sequence[np.ndarray], classes: int, background: bool = True, **known: Any) -> Masks:
    """Targets of these masks, (*spatial) each, with `classes` classes."""
    names = ((BACKGROUND,) if background else ("class 0",)) + tuple(f"class {k}" for k in range(1, classes))
    return Masks(np.arange(len(truths)), classes, names=names, load=lambda entry: truths[entry], **known)


def answers(truths: Sequence[np.ndarray], called: Sequence[np.ndarray], classes: int, background: bool = True, **known: Any) -> pa.Table:
    """What the task keeps of called masks."""
    return TASK.answers(iter(called), masks(truths, classes, background, **known))


def measure(metric: str, table: pa.Table) -> float:
    """A metric, every image counted once."""
    return TASK.metrics[metric].value(table)


def resampled(metric: str, table: pa.Table, groups: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The same on resamplings of groups: (B,)."""
    return TASK.metrics[metric](table, Weights(counts, groups))


def example(seed: int, images: int, classes: int, side: int = 9, dims: int = 2) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Masks of blocky classes with unknown pixels, and called ones that are right two times of three. Some images show class 0 alone."""
    generator = np.random.default_rng(seed)
    truths, called = [], []
    for _ in range(images):
        shown = generator.integers(1, classes + 1)
        truth = np.kron(generator.integers(shown, size=(side // 3,) * dims), np.ones((3,) * dims, dtype=int)).astype(np.int16)
        guess = np.where(generator.random(truth.shape) < 2 / 3, truth, generator.integers(shown, size=truth.shape))
        truths.append(np.where(generator.random(truth.shape) < 0.1, UNKNOWN, truth).astype(np.int16))
        called.append(guess.astype(np.uint8))
    return truths, called
