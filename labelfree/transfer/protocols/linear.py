"""Multinomial logistic regression on frozen features."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy.special import softmax
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from labelfree.transfer.protocols.base import Fit, HeadProtocol, one_thread

if TYPE_CHECKING:
    from labelfree.transfer.tasks.base import Targets

STRENGTHS = (0.1, 1.0, 10.0, 100.0, 1000.0)  # scikit-learn's C for rows of length 1; standardised rows are scaled to that
MOST_STEPS = 1000


class Linear(HeadProtocol):
    """Multinomial logistic regression, L2 on the weights, solved by L-BFGS from the strongest penalty to the weakest with warm starts."""

    name = "linear"
    words, title = "linear", "linear probe"
    reading = "linear probe: a single linear layer is fitted on the frozen network's output"
    method = f"Linear: logistic regression, C among {', '.join(f'{c:g}' for c in STRENGTHS)} for rows of length 1."
    settings: tuple[float, ...] = STRENGTHS
    default = 10.0

    def path(self, train: np.ndarray, targets: Targets, scored: np.ndarray, settings: Sequence[float]) -> Iterator[Fit]:
        """`settings` are values of C, rising. `targets`: positions of classes."""
        basis = span(train)
        projected = scored if basis is None else scored @ basis
        for regression in self.regressions(train if basis is None else train @ basis, targets, settings):
            yield Fit(regression.c, softmax(projected @ regression.weight.T + regression.bias, axis=1), regression.converged)

    def fit(self, rows: np.ndarray, targets: Targets, settings: Sequence[float]) -> dict[str, Tensor]:
        """`weight` (K, D) and `bias` (K,) of the last regression of the path, in the space of `rows` (n, D)."""
        basis = span(rows)
        with one_thread():
            *_, last = self.regressions(rows if basis is None else rows @ basis, targets, settings)
        if basis is not None:
            last = replace(last, weight=last.weight @ basis.T)
        return {"weight": torch.from_numpy(last.weight).float(), "bias": torch.from_numpy(last.bias).float()}

    def outputs(self, tensors: Mapping[str, Any], features: Tensor) -> Tensor:
        scores: Tensor = F.linear(features, tensors["weight"], tensors["bias"]).softmax(1)
        return scores

    def regressions(
        self, train: np.ndarray, targets: Targets, settings: Sequence[float], weights: np.ndarray | None = None
    ) -> Iterator[Regression]:
        """The regressions themselves, in the space of `train`. `weights`: (n,) of the rows; default: 1 each."""
        classes, present = targets.width, np.unique(targets.values)
        if len(present) == 1:  # nothing to separate: that class, always
            bias = np.where(np.arange(classes) == present[0], 0.0, -np.inf)
            yield from (Regression(c, np.zeros((classes, train.shape[1])), bias, True) for c in settings)
            return
        model = LogisticRegression(max_iter=MOST_STEPS, warm_start=True)
        for c in settings:
            model.C = c
            with warnings.catch_warnings(), config_context(assume_finite=True, skip_parameter_validation=True):
                warnings.simplefilter("ignore", ConvergenceWarning)  # told by the flag instead
                warnings.filterwarnings("ignore", message="The number of unique classes")  # one label a class is what is asked
                model.fit(train, targets.values, weights)
            weight = np.zeros((classes, train.shape[1]))
            bias = np.full(classes, -np.inf)  # a class without a row here can't be called
            two = len(present) == 2  # scikit-learn then keeps one row, the log-odds of the second class
            weight[present] = np.concatenate([0 * model.coef_, model.coef_]) if two else model.coef_
            bias[present] = np.concatenate([[0.0], model.intercept_]) if two else model.intercept_
            yield Regression(c, weight, bias, bool(model.n_iter_.max() < MOST_STEPS))


@dataclass(frozen=True)
class Regression:
    """`weight` (K, D) and `bias` (K,) of one penalty, scikit-learn's `c`."""

    c: float
    weight: np.ndarray
    bias: np.ndarray
    converged: bool


def span(rows: np.ndarray) -> np.ndarray | None:
    """(D, r) orthonormal basis of the space the (n, D) rows span, or None where they're not fewer than dimensions.

    An L2-penalised regression has its weights in that space (representer theorem), so the projected problem has the same solution
    with n instead of D unknowns a class.
    """
    if len(rows) >= rows.shape[1]:
        return None
    squares, vectors = np.linalg.eigh(rows @ rows.T)
    kept = squares > squares[-1] * 1e-12
    if not kept.any():
        return np.zeros((rows.shape[1], 1))
    basis: np.ndarray = rows.T @ vectors[:, kept] / np.sqrt(squares[kept])
    return basis
