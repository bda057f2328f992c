"""How maps of scores rank pixels, counted image by image in a few steps, so that no metric looks at a map again.

AUPRO: area under the per-region-overlap curve up to a false-positive rate (Bergmann et al. 2021, IJCV 129:1038, section 5.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from labelfree.domain import IGNORE
from labelfree.transfer.tasks.base import flat
from labelfree.transfer.tasks.ranking import precision_of_steps
from labelfree.transfer.tasks.weights import Weights

LIMIT = 0.3  # false-positive rate of pixels, up to which overlaps are integrated
# Where steps lie: shares of the pixels that show nothing wrong above each, dense up to LIMIT; then shares of those that do.
NORMAL = np.concatenate([np.geomspace(1e-5, 0.01, 40), np.linspace(0.01, LIMIT, 75)[1:], np.linspace(LIMIT, 1, 30)[1:]])
WRONG = np.linspace(0.01, 0.99, 64)


@dataclass(frozen=True)
class HeatCounts:
    """Of one image, by steps of the score from the highest to the lowest, (Q,): pixels that show something `wrong`, pixels that do not
    (`normal`), and `overlap`: over its regions the sum of the share of each. `regions`: how many connected ones there are.
    """

    wrong: np.ndarray
    normal: np.ndarray
    overlap: np.ndarray
    regions: int

    @classmethod
    def of(cls, heat: np.ndarray, truth: np.ndarray, steps: np.ndarray) -> HeatCounts:
        """`heat`: (*spatial), NaN where nothing is said. `truth`: (*spatial) 1, 0, or IGNORE. `steps`: falling, (Q - 1,)."""
        from scipy.ndimage import label

        said = np.isfinite(heat) & (truth != IGNORE)
        places = len(steps) - np.searchsorted(steps[::-1], heat[said], side="right")  # 0 from the highest step on
        marked, width = truth[said] == 1, len(steps) + 1
        regions = label(truth == 1, np.ones((3,) * truth.ndim))[0][said] if marked.any() else np.zeros(0, int)
        overlap, count = np.zeros(width), 0
        for region in np.unique(regions[regions > 0]):
            own = np.bincount(places[regions == region], minlength=width)
            overlap += own / own.sum()
            count += 1
        return cls(np.bincount(places[marked], minlength=width), np.bincount(places[~marked], minlength=width), overlap, count)


def steps_between(normal: Sequence[np.ndarray], wrong: Sequence[np.ndarray]) -> np.ndarray:
    """Falling scores, between which pixels are counted, by samples of those that show nothing wrong and of those that do."""
    found = [np.quantile(np.concatenate(part), 1 - at) for part, at in ((normal, NORMAL), (wrong, WRONG)) if sum(map(len, part))]
    return np.unique(np.concatenate(found))[::-1] if found else np.zeros(0)


def aupro(answers: pa.Table, weights: Weights) -> np.ndarray:
    """(B,) area under the mean overlap of regions over the false-positive rate of pixels, up to LIMIT, over LIMIT."""
    told = answers["overlap"].is_valid().to_numpy()
    if not told.any():
        return np.full(len(weights), np.nan)
    regions = weights.sums(np.nan_to_num(answers["regions"].to_numpy().astype(np.float64)))
    overlap, normal = (np.cumsum(weights.column_sums(_column(answers, name, told)), 1) for name in ("overlap", "normal"))
    known = (regions > 0) & (normal[:, -1] > 0)
    found = np.divide(overlap, regions[:, None], out=np.zeros_like(overlap), where=known[:, None])
    rate = np.divide(normal, normal[:, -1:], out=np.zeros_like(normal), where=known[:, None])
    return np.where(known, _area(rate, found) / LIMIT, np.nan)


def pixel_precision(answers: pa.Table, weights: Weights) -> np.ndarray:
    """(B,) average precision of pixels."""
    told = answers["overlap"].is_valid().to_numpy()
    if not told.any():
        return np.full(len(weights), np.nan)
    return precision_of_steps(*(weights.column_sums(_column(answers, name, told)) for name in ("wrong", "normal")))


def _area(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(B,) area below points (B, Q) that are joined by lines, from (0, 0) to x = LIMIT."""
    x, y = (np.concatenate([np.zeros((len(part), 1)), part], 1) for part in (x, y))
    low, width, rise = x[:, :-1], np.diff(x, axis=1), np.diff(y, axis=1)
    inside = np.clip(LIMIT - low, 0, width)
    slope = np.divide(rise, width, out=np.zeros_like(rise), where=width > 0)
    total: np.ndarray = (inside * (y[:, :-1] + slope * inside / 2)).sum(1)
    return total


def _column(answers: pa.Table, name: str, told: np.ndarray) -> np.ndarray:
    """(n, Q), 0 of images of which it is not known. Answers of several heads have steps of their own, at the same shares of pixels."""
    column = answers[name].drop_null()
    width = max(len(each) for each in column)
    table = np.zeros((len(told), width))
    lists = flat(column) if all(len(each) == width for each in column) else np.stack([_at_width(each.as_py(), width) for each in column])
    table[told] = lists
    return table


def _at_width(numbers: Sequence[float], width: int) -> np.ndarray:
    """Steps that ties took are added behind."""
    return np.concatenate([numbers, np.zeros(width - len(numbers))])
