"""The nearest class mean of frozen features: prototypes (Snell et al. 2017, arXiv:1703.05175), compared by cosine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from scipy.special import softmax
from torch import Tensor

from labelfree.transfer.protocols.base import Fit, HeadProtocol
from labelfree.transfer.protocols.knn import TEMPERATURE
from labelfree.transfer.protocols.scaling import unit_rows

if TYPE_CHECKING:
    from labelfree.transfer.tasks.base import Targets


class NearestMean(HeadProtocol):
    """Each class is the mean of its rows of length 1; an image is of the class whose mean lies at the smallest angle.

    Scores: softmax of cosine / 0.07, kNN's temperature. A class without a row is never called.
    """

    name = "nearest_mean"
    words, title = "nearest mean", "nearest class mean"
    reading = "nearest class mean: an image is of the class whose labelled images it resembles on average, nothing is trained"
    method = f"Nearest mean: cosine to the mean of each class's rows of length 1; scores are softmax(cosine / {TEMPERATURE})."
    settings = (TEMPERATURE,)
    default = TEMPERATURE

    def path(self, train: np.ndarray, targets: Targets, scored: np.ndarray, settings: Sequence[float]) -> Iterator[Fit]:
        """`settings` are temperatures."""
        means, present = class_means(train, targets)
        cosine = np.where(present, unit_rows(scored) @ means.T, -np.inf)
        for temperature in settings:
            yield Fit(temperature, softmax(cosine / temperature, axis=1))

    def fit(self, rows: np.ndarray, targets: Targets, settings: Sequence[float]) -> dict[str, Tensor]:
        """`means` (K, D) of length 1, which classes are `present` (K,) bool, `temperature`."""
        means, present = class_means(rows, targets)
        return {
            "means": torch.from_numpy(means).float(),
            "present": torch.from_numpy(present),
            "temperature": torch.tensor(settings[-1]),
        }

    def outputs(self, tensors: Mapping[str, Tensor], features: Tensor) -> Tensor:
        cosine = F.normalize(features, dim=1) @ tensors["means"].T
        return cosine.masked_fill(~tensors["present"], -torch.inf).div(tensors["temperature"]).softmax(1)


def class_means(rows: np.ndarray, targets: Targets) -> tuple[np.ndarray, np.ndarray]:
    """(K, D) mean directions of the classes' `rows` (n, D), of length 1, and (K,) bool: those that have any."""
    members = targets.vectors()
    return unit_rows(members.T @ unit_rows(rows)), members.sum(0) > 0
