"""A logistic regression for each class on frozen features, for images of several classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from scipy.special import expit
from torch import Tensor

from labelfree.transfer.protocols.base import Fit, one_thread
from labelfree.transfer.protocols.linear import STRENGTHS, Linear, span

if TYPE_CHECKING:
    from labelfree.transfer.tasks.base import Targets


class LinearEach(Linear):
    """Whether an image is of a class is told for each class apart, with the same penalty. A class that no image here is of scores 0."""

    method = f"Linear: a logistic regression for each class, C among {', '.join(f'{c:g}' for c in STRENGTHS)} for rows of length 1."

    def path(self, train: np.ndarray, targets: Targets, scored: np.ndarray, settings: Sequence[float]) -> Iterator[Fit]:
        """`settings` are values of C, rising. `targets`: (n, K) values, 1 where a row is of a class."""
        basis = span(train)
        projected = scored if basis is None else scored @ basis
        for c, weight, bias, converged in self._of_classes(train if basis is None else train @ basis, targets, settings):
            yield Fit(c, expit(projected @ weight.T + bias), converged)

    def fit(self, rows: np.ndarray, targets: Targets, settings: Sequence[float]) -> dict[str, Tensor]:
        """`weight` (K, D) and `bias` (K,), in the space of `rows` (n, D)."""
        basis = span(rows)
        with one_thread():
            *_, (_, weight, bias, _) = self._of_classes(rows if basis is None else rows @ basis, targets, settings)
        whole = weight if basis is None else weight @ basis.T
        return {"weight": torch.from_numpy(whole).float(), "bias": torch.from_numpy(bias).float()}

    def outputs(self, tensors: Mapping[str, Tensor], features: Tensor) -> Tensor:
        return F.linear(features, tensors["weight"], tensors["bias"]).sigmoid()

    def _of_classes(
        self, rows: np.ndarray, targets: Targets, settings: Sequence[float]
    ) -> Iterator[tuple[float, np.ndarray, np.ndarray, bool]]:
        """For each setting: it, log-odds `weight` (K, r) and `bias` (K,), and whether every solver ended by itself."""
        alone = [self.regressions(rows, replace(targets, values=values, width=2), settings) for values in targets.values.T]
        for c, regressions in zip(settings, zip(*alone, strict=True), strict=True):
            weight = np.stack([one.weight[1] - one.weight[0] for one in regressions])
            bias = np.array([one.bias[1] - one.bias[0] for one in regressions])
            yield c, weight, bias, all(one.converged for one in regressions)
