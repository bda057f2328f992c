"""Labels saved: how many labels the other arm needs for the same score, over the labels this arm had (docs/protocol.md, 14)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FEWEST_DRAWS = 5  # under this many no interval: resampling four draws says little of their spread
ROUNDING = 1e-12  # two means that are equal on paper may differ by this
ABOVE, BELOW = np.inf, -np.inf  # censored ratios


@dataclass(frozen=True)
class LabelsSaved:
    """A ratio of labels with its interval; `+inf` stands for "> largest", `-inf` for "≤ smallest" of what was measured.

    `at`: labels a class of the arm. `smallest`, `largest`: the ratios at the ends of the other arm's curve.
    """

    at: float
    ratio: float
    low: float | None
    high: float | None
    smallest: float
    largest: float

    def words(self, ratio: float) -> str:
        """One ratio as it is printed: `3.1×`, `> 4×`, `≤ 0.2×`."""
        if ratio == ABOVE:
            return f"> {_short(self.largest)}×"
        return f"≤ {_short(self.smallest)}×" if ratio == BELOW else f"{_short(ratio)}×"

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.words(self.ratio)} (no interval: fewer than {FEWEST_DRAWS} draws)"
        return f"{self.words(self.ratio)} ({self.words(self.low)} to {self.words(self.high)})"


def labels_saved(x: np.ndarray, arm: np.ndarray, against: np.ndarray, at: int) -> np.ndarray:
    """Ratios n / x[at], where n is the fewest labels with which the other arm's curve reaches this arm's at x[at].

    `x`: (M,) rising labels a class. `arm`, `against`: (B, M) mean scores, higher is better; each row is one resampling.
    Returns (B,): `ABOVE` where the other curve never gets there, `BELOW` where its first point already does; never extrapolated.
    Curves are isotonic regressions on log x, linear between budgets.
    """
    wanted = isotonic(arm)[:, at] - ROUNDING
    curve = isotonic(against)
    log = np.log(x)
    ratios = np.full(len(wanted), ABOVE)
    for right in range(len(x) - 1, 0, -1):  # the leftmost segment that reaches the score is written last
        start, end = curve[:, right - 1], curve[:, right]
        inside = (start < wanted) & (wanted <= end)
        share = (wanted[inside] - start[inside]) / (end[inside] - start[inside])
        ratios[inside] = np.exp(log[right - 1] + share * (log[right] - log[right - 1])) / x[at]
    ratios[curve[:, 0] >= wanted] = BELOW
    return ratios


def isotonic(y: np.ndarray) -> np.ndarray:
    """Rising least-squares fit with equal weights to each row of (B, M), by the max-min formula (few budgets, many rows)."""
    budgets = y.shape[1]
    sums = np.concatenate([np.zeros((len(y), 1)), np.cumsum(y, 1)], 1)
    fit = np.full(y.shape, -np.inf)
    for first in range(budgets):
        means = np.stack([(sums[:, last + 1] - sums[:, first]) / (last + 1 - first) for last in range(first, budgets)], 1)
        lowest = np.minimum.accumulate(means[:, ::-1], 1)[:, ::-1]  # min over blocks first..last for every last >= i
        fit[:, first:] = np.maximum(fit[:, first:], lowest)
    return fit


def bounds(ratios: np.ndarray) -> tuple[float, float]:
    """The 2.5 and 97.5 % order statistics of resampled ratios, without interpolation: a censored bound stays censored."""
    ranked = np.sort(ratios)
    low, high = (int(np.ceil(len(ranked) * share)) - 1 for share in (0.025, 0.975))
    return float(ranked[low]), float(ranked[high])


def _short(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= 20 else f"{ratio:.1f}" if ratio >= 1 else f"{ratio:.2g}"
