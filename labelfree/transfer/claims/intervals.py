"""Intervals of a mean difference, from draws, seeds and scored groups or from cross-validation; and Holm's test over several claims
(docs/protocol.md, 11 to 13).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.stats import t as student

LEVEL = 0.95
POWER = 0.8
NOTHING = 1e-18  # a variance of scores between 0 and 1 that is rounding alone


@dataclass(frozen=True)
class Interval:
    """A mean with its standard error `se` and degrees of freedom `df`; `parts` are the variances that `se`² sums.

    Where nothing is known of the spread (one scored group, one fold, differences that are all the same: chance on a few rows, not
    certainty) `se` is infinite: the interval is the whole line and p is 1.
    """

    mean: float
    se: float
    df: float
    parts: dict[str, float] = field(default_factory=dict)

    def bounds(self, alpha: float = 1 - LEVEL) -> tuple[float, float]:
        """Two-sided bounds at confidence 1 - `alpha`."""
        if not np.isfinite(self.se):
            return -np.inf, np.inf
        half = float(student.ppf(1 - alpha / 2, self.df)) * self.se if self.se > 0 else 0.0
        return self.mean - half, self.mean + half

    @property
    def low(self) -> float:
        return self.bounds()[0]

    @property
    def high(self) -> float:
        return self.bounds()[1]

    @property
    def p(self) -> float:
        """Two-sided p of "no difference"."""
        if not np.isfinite(self.se) or self.mean == 0:
            return 1.0
        return float(2 * student.sf(abs(self.mean) / self.se, self.df)) if self.se > 0 else 0.0

    @property
    def resolvable(self) -> float:
        """The smallest difference found with power 0.8: (t(df, .975) + t(df, .8)) * se."""
        if not np.isfinite(self.se) or self.se == 0:
            return float(self.se)
        return float(student.ppf((1 + LEVEL) / 2, self.df) + student.ppf(POWER, self.df)) * self.se


def from_test(differences: np.ndarray, resampled: np.ndarray, groups: int) -> Interval:
    """The interval with a test split.

    `differences`: (R, S) score differences of R draws and S pretraining seeds. `resampled`: (B,) mean difference on each
    resampling of the `groups` scored groups.

    SE² = var_r(mean_s D)/R + var_s(mean_r D)/S + var_b, each with R-1, S-1 and G-1 degrees of freedom, joined by Satterthwaite's rule.
    """
    draws, seeds = differences.shape
    mean = float(differences.mean())
    if groups < 2 or len(resampled) < 2:
        return Interval(mean, np.inf, 0.0)
    parts, freedom = {}, {}
    if draws > 1:
        parts["draws"], freedom["draws"] = float(differences.mean(1).var(ddof=1)) / draws, draws - 1
    if seeds > 1:
        parts["seeds"], freedom["seeds"] = float(differences.mean(0).var(ddof=1)) / seeds, seeds - 1
    parts["test"], freedom["test"] = float(resampled.var(ddof=1)), groups - 1
    total = sum(parts.values())
    if total <= NOTHING:
        return Interval(mean, np.inf, 0.0)
    weight = sum(part**2 / freedom[name] for name, part in parts.items())
    df = total**2 / weight if weight > 0 else float(min(freedom.values()))
    return Interval(mean, float(np.sqrt(total)), df, parts)


def from_folds(differences: np.ndarray, folds: int) -> Interval:
    """The interval without a test split: (J,) fold differences of repeated `folds`-fold cross-validation.

    SE² = (1/J + 1/(k-1)) var(D_j), J - 1 degrees of freedom: the corrected resampled t-test (Nadeau and Bengio 2003,
    Inference for the Generalization Error), 1/(k-1) being the ratio of scored to learned rows.
    """
    count = len(differences)
    if not count:
        return Interval(np.nan, np.inf, 0.0)
    mean = float(differences.mean())
    if count < 2 or folds < 2:
        return Interval(mean, np.inf, 0.0)
    variance = (1 / count + 1 / (folds - 1)) * float(differences.var(ddof=1))
    if variance <= NOTHING:
        return Interval(mean, np.inf, 0.0)
    return Interval(mean, float(np.sqrt(variance)), count - 1.0, {"folds": variance})


@dataclass(frozen=True)
class Verdict:
    """`alpha`: the level this p is tested at, and 1 - alpha the confidence its interval is printed at."""

    p: float
    alpha: float
    rejected: bool


def holm(ps: Sequence[float], alpha: float = 0.05) -> list[Verdict]:
    """Holm's step-down test (Holm 1979): one verdict for each p, in the order given.

    The i-th smallest of m is tested at alpha / (m - i + 1), up to the first failure.

    Give p = 1 for a primary that is unfinished or undertrained: it belongs to the family and cannot be claimed.
    """
    order = sorted(range(len(ps)), key=lambda position: ps[position])
    verdicts: dict[int, Verdict] = {}
    going = True
    for rank, position in enumerate(order):
        level = alpha / (len(ps) - rank)
        going = going and ps[position] <= level
        verdicts[position] = Verdict(ps[position], level, going)
    return [verdicts[position] for position in range(len(ps))]
