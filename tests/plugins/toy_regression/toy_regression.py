"""A task and a protocol as a third party would write them: a number in metres is to be told from an image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import numpy as np
import pyarrow as pa
import torch
from sklearn.linear_model import Ridge
from torch import Tensor

from labelfree.domain import Row
from labelfree.errors import DataError
from labelfree.transfer.protocols import Fit, HeadProtocol
from labelfree.transfer.tasks import BudgetWords, Metric, Targets, Task, Weights


def mean_absolute_error(answers: pa.Table, weights: Weights) -> np.ndarray:
    """Mean distance of the number told from the true one."""
    off = np.abs(answers["told"].to_numpy() - answers["target"].to_numpy())
    return weights.sums(off) / weights.sums(np.ones(len(off)))


def explained(answers: pa.Table, weights: Weights) -> np.ndarray:
    """R²: 1 - squared errors over squared distances from the mean."""
    told, target = answers["told"].to_numpy().astype(float), answers["target"].to_numpy().astype(float)
    count = weights.sums(np.ones(len(target)))
    spread = weights.sums(target**2) - weights.sums(target) ** 2 / count
    return 1 - np.divide(weights.sums((told - target) ** 2), spread, out=np.full(len(count), np.nan), where=spread > 0)


class Height(Task):
    """The column `label` holds a height."""

    name = "height"
    columns = ("label",)
    metrics: ClassVar[dict[str, Metric]] = {
        "mae": Metric("mae", mean_absolute_error, "mean absolute error", unit="m", higher_is_better=False),
        "r2": Metric("r2", explained, "R²"),
    }
    protocols = ("knn", "ridge")
    advised_protocols = ("ridge",)
    budget = BudgetWords("labelled image", "labelled images", stratum="set")
    answer_schema = pa.schema([("target", pa.float32()), ("told", pa.float32())])

    def stratum(self, row: Row) -> str:
        return "labelled"  # numbers are drawn as they come

    def targets(self, rows: Sequence[Row], images: object = None) -> Targets:
        return Targets(np.array([number_of(row) for row in rows]))

    def answers(self, output: np.ndarray, targets: Targets) -> pa.Table:
        return pa.table({"target": pa.array(targets.values.astype(output.dtype)), "told": pa.array(output[:, 0])})

    def caption(self, row: Row) -> str:
        return f"{number_of(row):.1f} m"


def number_of(row: Row) -> float:
    """The height that a row's label says."""
    try:
        return float(str(row.label))
    except ValueError:
        raise DataError(f"{row.called}: label {row.label!r} is no number; a height in metres is wanted.") from None


class RidgeRegression(HeadProtocol):
    """Least squares with a penalty on the weights."""

    name = "ridge"
    words = "ridge"
    method = "Ridge: least squares, penalties 10, 1 and 0.1 for rows of length 1."
    settings = (10.0, 1.0, 0.1)
    default = 1.0

    def path(self, train: np.ndarray, targets: Targets, scored: np.ndarray, settings: Sequence[float]) -> Iterator[Fit]:
        for penalty in settings:
            yield Fit(penalty, Ridge(penalty).fit(train, targets.values).predict(scored)[:, None])

    def fit(self, rows: np.ndarray, targets: Targets, settings: Sequence[float]) -> dict[str, Tensor]:
        model = Ridge(settings[-1]).fit(rows, targets.values)
        return {"weight": torch.from_numpy(model.coef_).float(), "bias": torch.tensor(model.intercept_).float()}

    def outputs(self, tensors: Mapping[str, Tensor], features: Tensor) -> Tensor:
        return (features @ tensors["weight"] + tensors["bias"])[:, None]
