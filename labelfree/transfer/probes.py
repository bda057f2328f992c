"""The two probes of frozen features: weighted nearest neighbours and logistic regression.

A probe is asked for a whole path of settings at once, so that what they share (similarities, projections, warm starts) is computed once.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from scipy.special import softmax
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from labelfree.transfer.preparation import unit_rows

TEMPERATURE = 0.07
NEIGHBOURS = (1, 3, 5, 10, 20)
STRENGTHS = (0.1, 1.0, 10.0, 100.0, 1000.0)  # scikit-learn's C for rows of length 1; standardised rows are scaled to that
MOST_STEPS = 1000


@dataclass(frozen=True)
class Scored:
    """One setting's class scores (n, K), rows summing to 1. `converged`: the solver ended by itself."""

    setting: float
    scores: np.ndarray
    converged: bool = True


class Probe(Protocol):
    """A protocol's classifier. `settings`: the grid, from the strongest regularisation to the weakest; `default`: without any search."""

    @property
    def name(self) -> str: ...

    @property
    def settings(self) -> tuple[float, ...]: ...

    @property
    def default(self) -> float: ...

    def path(self, train: np.ndarray, targets: np.ndarray, scored: np.ndarray, classes: int, settings: Sequence[float]) -> Iterator[Scored]:
        """Class scores of `scored` (m, D) after learning from `train` (n, D), for each of `settings`, in that order."""
        ...


class Knn:
    """Nearest neighbours by cosine, each voting exp(similarity / 0.07) (Wu et al. 2018, arXiv:1805.01978, eq. 4)."""

    name = "knn"
    settings = tuple(float(k) for k in reversed(NEIGHBOURS))
    default = 5.0

    def path(self, train: np.ndarray, targets: np.ndarray, scored: np.ndarray, classes: int, settings: Sequence[float]) -> Iterator[Scored]:
        """`settings` are numbers of neighbours, capped at the number of training rows."""
        most = min(int(max(settings)), len(train))
        similarity = unit_rows(scored) @ unit_rows(train).T
        order = np.argsort(-similarity, axis=1, kind="stable")[:, :most]  # equal neighbours in the rows' own order
        near = np.take_along_axis(similarity, order, 1)
        votes = np.exp((near - near[:, :1]) / TEMPERATURE)
        rows = np.arange(len(scored))[:, None]
        for k in settings:
            few = min(int(k), most)
            table = np.zeros((len(scored), classes))
            np.add.at(table, (rows, targets[order[:, :few]]), votes[:, :few])
            yield Scored(k, table / table.sum(1, keepdims=True))


class Linear:
    """Multinomial logistic regression, L2 on the weights, solved by L-BFGS from the strongest penalty to the weakest with warm starts."""

    name = "linear"
    settings = STRENGTHS
    default = 10.0

    def path(self, train: np.ndarray, targets: np.ndarray, scored: np.ndarray, classes: int, settings: Sequence[float]) -> Iterator[Scored]:
        """`settings` are values of C, rising."""
        basis = span(train)
        projected = scored if basis is None else scored @ basis
        for fit in self.fits(train if basis is None else train @ basis, targets, classes, settings):
            yield Scored(fit.setting, softmax(projected @ fit.weight.T + fit.bias, axis=1), fit.converged)

    def train(self, rows: np.ndarray, targets: np.ndarray, classes: int, settings: Sequence[float]) -> LinearFit:
        """The last regression of the path, its weights in the space of `rows` (n, D)."""
        basis = span(rows)
        *_, fit = self.fits(rows if basis is None else rows @ basis, targets, classes, settings)
        return fit if basis is None else replace(fit, weight=fit.weight @ basis.T)

    def fits(self, train: np.ndarray, targets: np.ndarray, classes: int, settings: Sequence[float]) -> Iterator[LinearFit]:
        """The regressions themselves, in the space of `train`."""
        present = np.unique(targets)
        if len(present) == 1:  # nothing to separate: that class, always
            bias = np.where(np.arange(classes) == present[0], 0.0, -np.inf)
            yield from (LinearFit(c, np.zeros((classes, train.shape[1])), bias, True) for c in settings)
            return
        model = LogisticRegression(max_iter=MOST_STEPS, warm_start=True)
        for c in settings:
            model.C = c
            with warnings.catch_warnings(), config_context(assume_finite=True, skip_parameter_validation=True):
                warnings.simplefilter("ignore", ConvergenceWarning)  # told by the flag instead
                warnings.filterwarnings("ignore", message="The number of unique classes")  # one label a class is what is asked
                model.fit(train, targets)
            weight = np.zeros((classes, train.shape[1]))
            bias = np.full(classes, -np.inf)  # a class without a row here can't be called
            two = len(present) == 2  # scikit-learn then keeps one row, the log-odds of the second class
            weight[present] = np.concatenate([0 * model.coef_, model.coef_]) if two else model.coef_
            bias[present] = np.concatenate([[0.0], model.intercept_]) if two else model.intercept_
            yield LinearFit(c, weight, bias, bool(model.n_iter_.max() < MOST_STEPS))


@dataclass(frozen=True)
class LinearFit:
    """`weight` (K, D) and `bias` (K,) of one penalty."""

    setting: float
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


PROBES: dict[str, Probe] = {probe.name: probe for probe in (Knn(), Linear())}
