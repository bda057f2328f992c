"""Weighted nearest neighbours of frozen features (Wu et al. 2018, arXiv:1805.01978, eq. 4)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from labelfree.transfer.protocols.base import Fit, HeadProtocol
from labelfree.transfer.protocols.scaling import unit_rows

if TYPE_CHECKING:
    from labelfree.transfer.tasks.base import Targets

TEMPERATURE = 0.07
NEIGHBOURS = (1, 3, 5, 10, 20)


class Knn(HeadProtocol):
    """The mean target of the nearest neighbours by cosine, each weighing exp(similarity / 0.07)."""

    name = "knn"
    words, title = "knn", "nearest neighbours"
    reading = "nearest neighbours: an image is answered as the labelled images most like it are, nothing is trained"
    method = f"kNN: cosine, votes weighted by exp(similarity / {TEMPERATURE}), k among {', '.join(map(str, NEIGHBOURS))}."
    settings = tuple(float(k) for k in reversed(NEIGHBOURS))
    default = 5.0

    @property
    def thinned(self) -> tuple[float, ...]:
        return self.settings[0], self.settings[len(self.settings) // 2], self.settings[-1]

    def path(self, train: np.ndarray, targets: Targets, scored: np.ndarray, settings: Sequence[float]) -> Iterator[Fit]:
        """`settings` are numbers of neighbours, capped at the number of training rows."""
        most = min(int(max(settings)), len(train))
        similarity = unit_rows(scored) @ unit_rows(train).T
        order = np.argsort(-similarity, axis=1, kind="stable")[:, :most]  # equal neighbours in the rows' own order
        near = np.take_along_axis(similarity, order, 1)
        votes = np.exp((near - near[:, :1]) / TEMPERATURE)
        vectors = targets.vectors()
        for k in settings:
            total = np.zeros((len(scored), vectors.shape[1]))
            for neighbour in range(min(int(k), most)):
                total += votes[:, neighbour, None] * vectors[order[:, neighbour]]
            yield Fit(k, targets.mean_of(total, votes[:, : min(int(k), most)]))

    def fit(self, rows: np.ndarray, targets: Targets, settings: Sequence[float]) -> dict[str, Tensor]:
        """`bank` (n, D) of prepared rows, their `vectors` (n, width), `neighbours`, `temperature`."""
        return {
            "bank": F.normalize(torch.from_numpy(rows), dim=1).float(),
            "vectors": torch.from_numpy(targets.vectors()).float(),
            "neighbours": torch.tensor(min(int(settings[-1]), len(rows))),
            "temperature": torch.tensor(TEMPERATURE),
        }

    def outputs(self, tensors: Mapping[str, Any], features: Tensor) -> Tensor:
        near, order = (F.normalize(features, dim=1) @ tensors["bank"].T).topk(tensors["neighbours"], dim=1)
        votes = ((near - near[:, :1]) / tensors["temperature"]).exp()
        total = (votes[..., None] * tensors["vectors"][order]).sum(1)
        mean: Tensor = total / votes.sum(1, keepdim=True)
        return mean
