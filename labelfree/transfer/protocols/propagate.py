"""Labels spread over the unlabelled images, then a linear layer (Zhou et al. 2004; Iscen et al. 2019, arXiv:1904.04717)."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from scipy.special import entr, softmax
from torch import Tensor

from labelfree.transfer.neighbour_graph import NEIGHBOURS, REACH, Graph, spread
from labelfree.transfer.protocols.base import Fit, one_thread
from labelfree.transfer.protocols.linear import Linear, Regression
from labelfree.transfer.protocols.scaling import Preparation, prepare, unit_rows

if TYPE_CHECKING:
    from labelfree.transfer.tasks.base import Targets

STRENGTH = 1.0  # scikit-learn's C, for rows of length 1 whose weights have a mean of 1
WIDTH = 128  # principal directions of the unlabelled rows that neighbours are looked for and the linear layer is fitted in


class Propagate(Linear):
    """Each label spreads over the graph of labelled and unlabelled images; what the images are called then teaches a linear layer, the
    more certain an image is the more. Without unlabelled images: the labelled ones alone.
    """

    name = "propagate"
    words, title = "propagate", "labels spread over unlabelled images"
    reading = "labels spread over unlabelled images: these take the labels of the images most like them, then teach a single linear layer"
    method = (
        f"Propagate: labels spread over the {NEIGHBOURS} nearest neighbours of every image (alpha {REACH:g}), none of them scored, then "
        f"logistic regression on all of these, weighted by certainty and class, C {STRENGTH:g}."
    )
    settings = (STRENGTH,)
    default = STRENGTH
    preparations = ("centre_l2",)
    reads_rest = True
    plain = "linear"
    rest: Rest | None = None
    kept: np.ndarray = np.zeros(0, bool)

    def beside(self, rest: np.ndarray, blocks: tuple[int, ...]) -> Self:
        bound = copy.copy(self)
        bound.rest, bound.kept = Rest.of(rest, blocks), np.ones(len(rest), bool)
        return bound

    def without(self, left_out: np.ndarray) -> Self:
        bound = copy.copy(self)
        bound.kept = ~left_out
        return bound

    def prepare(self, kind: str, rows: np.ndarray, blocks: tuple[int, ...]) -> Preparation:
        return super().prepare(kind, rows, blocks) if self.rest is None else self.rest.preparation

    def path(self, train: np.ndarray, targets: Targets, scored: np.ndarray, settings: Sequence[float]) -> Iterator[Fit]:
        """`settings` are values of C, rising. `targets`: positions of classes."""
        if self.rest is None or not self.kept.any():
            yield from super().path(train, targets, scored, settings)
            return
        projected = scored @ self.rest.basis
        for regression in self._taught(self.rest, train, targets, settings):
            yield Fit(regression.c, softmax(projected @ regression.weight.T + regression.bias, axis=1), regression.converged)

    def fit(self, rows: np.ndarray, targets: Targets, settings: Sequence[float]) -> dict[str, Tensor]:
        """`weight` (K, D) and `bias` (K,), in the space of `rows` (n, D)."""
        if self.rest is None or not self.kept.any():
            return super().fit(rows, targets, settings)
        with one_thread():
            *_, last = self._taught(self.rest, rows, targets, settings)
        return {"weight": torch.from_numpy(last.weight @ self.rest.basis.T).float(), "bias": torch.from_numpy(last.bias).float()}

    def _taught(self, rest: Rest, rows: np.ndarray, targets: Targets, settings: Sequence[float]) -> Iterator[Regression]:
        """The regressions, in the space of the rest's basis, on labelled `rows` (n, D) and on what the labels say of the rest."""
        labelled = rows @ rest.basis
        known = np.concatenate([targets.vectors(), np.zeros((int(self.kept.sum()), targets.width))])
        called, weights = told(spread(rest.graph.joined(unit_rows(labelled), self.kept), known), targets)
        learn = np.concatenate([labelled.astype(np.float32), rest.rows[self.kept]])  # half the time of float64
        heard = weights > 0
        yield from self.regressions(learn[heard], replace(targets, values=called[heard]), settings, weights[heard])


@dataclass(frozen=True)
class Rest:
    """Unlabelled rows: the `preparation` of features that they teach, their principal directions `basis` (D, r), the prepared `rows` in
    these, (u, r) float32, and the `graph` of their neighbours.
    """

    preparation: Preparation
    basis: np.ndarray
    rows: np.ndarray
    graph: Graph

    @classmethod
    def of(cls, features: np.ndarray, blocks: tuple[int, ...]) -> Rest:
        """`features`: (u, D) as the encoder gives them."""
        preparation = prepare("centre_l2", features, blocks)
        prepared = preparation(features)
        with one_thread():
            directions = np.linalg.eigh(prepared.T @ prepared)[1]
            basis = np.ascontiguousarray(directions[:, : -WIDTH - 1 : -1])
            rows = prepared @ basis
            return cls(preparation, basis, rows.astype(np.float32), Graph.of(unit_rows(rows)))


def told(reached: np.ndarray, targets: Targets) -> tuple[np.ndarray, np.ndarray]:
    """The class of each node and its weight, (n + u,) both. `reached`: (n + u, K), the labelled nodes first.

    Every class reaches as much in all, however many labels it has (class mass normalisation: Zhu et al. 2003). An unlabelled node is
    called by the class that reached it most; it weighs 1 - entropy / log K, a labelled one 1, and all are scaled so that classes weigh
    the same and the mean is 1 (Iscen et al. 2019, eq. 11 and 12).
    """
    mass = reached.sum(0)
    reached = np.divide(reached, mass, out=np.zeros_like(reached), where=mass > 0)
    total = reached.sum(1, keepdims=True)
    shares = np.divide(reached, total, out=np.zeros_like(reached), where=total > 0)
    classes = len(np.unique(targets.values))
    certain = np.where(total[:, 0] > 0, 1 - entr(shares).sum(1) / np.log(max(classes, 2)), 0.0).clip(0, 1)
    called = reached.argmax(1)
    called[: len(targets)], certain[: len(targets)] = targets.values, 1.0
    sums = np.bincount(called, certain, reached.shape[1])[called]
    return called, certain * len(called) / (sums * classes)
