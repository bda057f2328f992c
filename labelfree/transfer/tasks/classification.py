"""Classification: one class an image. Metrics are macro-averaged over classes, and computed on thousands of resamplings at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pyarrow as pa

from labelfree.data.normal import sounds_normal
from labelfree.domain import Row
from labelfree.errors import DataError, RecipeError
from labelfree.transfer.alarms import BinaryAlarms
from labelfree.transfer.question import Question
from labelfree.transfer.tasks.anomaly import ANOMALOUS, NORMAL, Anomaly
from labelfree.transfer.tasks.base import LabelledImages, Metric, Targets, Task, flat, nested
from labelfree.transfer.tasks.calibration import Reliability, brier, ece
from labelfree.transfer.tasks.multilabel import several
from labelfree.transfer.tasks.ranking import area_under_roc
from labelfree.transfer.tasks.shares import mean_share
from labelfree.transfer.tasks.weights import Weights
from labelfree.transfer.words import BudgetWords

if TYPE_CHECKING:
    from labelfree.data.manifest import Manifest
    from labelfree.data.set_labels import SetLabels

UNEVEN = 3  # times the rarest class, from which on accuracy would be that of the largest one


@dataclass(frozen=True)
class Classes(Targets):
    """Positions of classes among `names`, sorted."""

    names: tuple[str, ...] = ()

    def __getitem__(self, rows: np.ndarray) -> Classes:
        return Classes(self.values[rows], self.width, self.names)

    def vectors(self) -> np.ndarray:
        return np.eye(self.width)[self.values]

    def mean_of(self, sums: np.ndarray, weights: np.ndarray) -> np.ndarray:
        shares: np.ndarray = sums / sums.sum(1, keepdims=True)  # vectors of a class sum to 1, so these do
        return shares


@dataclass(frozen=True)
class Tally:
    """(B, K) weights of rows: rightly called class k, called class k, and of class k. A tie goes to the first class."""

    hits: np.ndarray
    called: np.ndarray
    support: np.ndarray

    @classmethod
    def of(cls, answers: pa.Table, weights: Weights) -> Tally:
        scores, targets = flat(answers["scores"]), answers["target"].to_numpy()
        called, classes = scores.argmax(1), scores.shape[1]
        right = weights.tally(targets, classes, rows=called == targets)
        return cls(right, weights.tally(called, classes), weights.tally(targets, classes))


def accuracy(answers: pa.Table, weights: Weights) -> np.ndarray:
    """Share of rows called right."""
    counts = Tally.of(answers, weights)
    return counts.hits.sum(-1) / counts.support.sum(-1)


def balanced_accuracy(answers: pa.Table, weights: Weights) -> np.ndarray:
    """Mean recall over the classes that occur."""
    counts = Tally.of(answers, weights)
    return mean_share(counts.hits, counts.support)


def macro_f1(answers: pa.Table, weights: Weights) -> np.ndarray:
    """Mean F1 over the classes that occur or are called."""
    counts = Tally.of(answers, weights)
    return mean_share(2 * counts.hits, counts.called + counts.support)


def auroc(answers: pa.Table, weights: Weights) -> np.ndarray:
    """Area under the ROC curve, ties counted half; one class against the rest, averaged over classes, when there are more than two.

    NaN where no class has both positives and negatives.
    """
    scores, targets = flat(answers["scores"]), answers["target"].to_numpy()
    return np.concatenate([_auroc(scores, targets, lines) for lines in weights.lines()])


def _auroc(scores: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """`scores`: (n, K). `weights`: (B, n). Returns (B,)."""
    classes = range(scores.shape[1]) if scores.shape[1] > 2 else (1,)
    total, defined = np.zeros(len(weights)), np.zeros(len(weights))
    for label in classes:
        area = area_under_roc(scores[:, label], targets == label, weights)
        both = np.isfinite(area)
        total[both] += area[both]
        defined += both
    return np.divide(total, defined, out=np.full(len(total), np.nan), where=defined > 0)


class Classification(Task):
    """The column `label` names the class of an image."""

    name = "classification"
    columns = ("label",)
    metrics: ClassVar[dict[str, Metric]] = {
        "accuracy": Metric("accuracy", accuracy),
        "balanced_accuracy": Metric("balanced_accuracy", balanced_accuracy),
        "macro_f1": Metric("macro_f1", macro_f1, title="macro F1"),
        "auroc": Metric("auroc", auroc, title="area under the ROC curve"),
        "ece": Metric("ece", ece, "ECE", higher_is_better=False, title="expected calibration error", usual=False),
        "brier": Metric("brier", brier, "Brier score", "", higher_is_better=False, usual=False),
    }
    protocols = ("knn", "nearest_mean", "linear", "propagate", "finetune", "zeroshot")
    advised_protocols = ("knn", "linear")
    calibration = ("ece", "brier")
    categorical = True
    budget = BudgetWords("label a class", "labels a class", per="a class")
    answer_schema = pa.schema([("target", pa.int32()), ("scores", pa.list_(pa.float32()))])

    def reading(self, labels: SetLabels) -> Manifest:
        """Where no row has a class and some are normal and others are not, these are the two: as the task `anomaly` sees them."""
        manifest = labels.manifest
        rows = [row for row in manifest.rows if row.split != "pretrain"]
        if any(map(self.labelled, rows)):
            return manifest
        seen = Anomaly().over(rows, labels)
        told = {row.id: NORMAL if seen.normal(row) else ANOMALOUS for row in rows if seen.normal(row) is not None}
        if len(set(told.values())) < 2:
            return manifest
        counts = Counter(told.values())
        note = (
            f"No image has a class, so images are told apart by whether anything is wrong: {counts[NORMAL]:,} {NORMAL}, "
            f"{counts[ANOMALOUS]:,} {ANOMALOUS} (docs/labels.md)."
        )
        classed = [replace(row, label=told.get(row.id)) for row in manifest.rows]
        return replace(manifest, rows=classed, classes=tuple(sorted(counts)), notes=(*manifest.notes, note))

    def asked_by(self, rows: Sequence[Row]) -> bool:
        """Not where labels name several classes: those are of the task `multilabel`."""
        return super().asked_by(rows) and not any(map(several, rows))

    def stratum(self, row: Row) -> str:
        return str(row.label)

    def targets(self, rows: Sequence[Row], images: LabelledImages | None = None) -> Classes:
        names = tuple(sorted({str(row.label) for row in rows}))
        position = {name: at for at, name in enumerate(names)}
        return Classes(np.array([position[str(row.label)] for row in rows], dtype=np.int64), len(names), names)

    def check_split(self, train: Sequence[Row], score: Sequence[Row] | None) -> None:
        """Every scored class must have labels to learn it from, and there must be two."""
        known, asked = Counter(row.label for row in train), Counter(row.label for row in score or ())
        unknown = sorted(str(label) for label in asked if label not in known)
        if unknown:
            raise DataError(
                f"Class {unknown[0]!r} has {asked[unknown[0]]} scored images and no train image; label some, or leave the class out."
            )
        if len(known) < 2:
            counts = ", ".join(f"{label}: {n}" for label, n in sorted(known.items(), key=lambda item: str(item[0])))
            raise DataError(f"Only one class has labels ({counts}); a comparison needs two.")

    def check(self, question: Question) -> None:
        targets = question.targets
        assert isinstance(targets, Classes)
        counts = np.bincount(targets.values[question.train], minlength=targets.width)
        if targets.width < 2 or (counts > 0).sum() < 2:
            only = targets.names[int(counts.argmax())]
            raise DataError(f"{question.dataset}: labels of one class only ({only}). A comparison needs two classes or more.")
        if (counts == 0).any() and not question.standing.surprises:
            empty = targets.names[int(counts.argmin())]
            raise DataError(f"{question.dataset}: class {empty!r} has no labelled row to learn from. Label some, or take the class out.")

    def advised_metric(self, train: Sequence[Row]) -> tuple[str, str]:
        counts = Counter(row.label for row in train).values()
        if counts and max(counts) >= UNEVEN * min(counts):
            return "balanced_accuracy", f"the largest class has {max(counts) / min(counts):.1f} times the labels of the rarest"
        return "accuracy", "classes are of similar size"

    def summary(self, rows: Sequence[Row]) -> str:
        return f"{self.name} into {len(set(map(self.stratum, rows)))} classes"

    def answers(self, output: np.ndarray, targets: Targets) -> pa.Table:
        return pa.table({"target": pa.array(targets.values.astype(np.int32)), "scores": nested(output)})

    def confusion(self, answers: pa.Table) -> np.ndarray:
        """(K, K) images; a tie goes to the first class."""
        scores, targets = flat(answers["scores"]), answers["target"].to_numpy()
        classes = scores.shape[1]
        return np.bincount(targets * classes + scores.argmax(1), minlength=classes**2).reshape(classes, classes)

    def alarm(self, targets: Targets, name: str) -> int:
        """By itself the class beside one that is called as normal images are, else that of fewer labels, of equals the second by name."""
        assert isinstance(targets, Classes)
        listed = ", ".join(targets.names)
        if targets.width != 2:
            raise RecipeError(
                f"evaluate.max_false_alarms: a threshold tells two classes apart, these labels have {targets.width}; leave it out."
            )
        normal = [sounds_normal(each) for each in targets.names]
        if name == "auto" and sum(normal) == 1:
            return normal.index(False)
        if name == "auto":
            first, second = np.bincount(targets.values, minlength=2).tolist()
            return int(second <= first)
        if name not in targets.names:
            raise RecipeError(f"evaluate.alarm: {name!r} is not among the classes ({listed}); name one of those.")
        return targets.names.index(name)

    def alarms(self, answers: pa.Table, positive: int, groups: np.ndarray) -> BinaryAlarms:
        scores, targets = flat(answers["scores"]), answers["target"].to_numpy()
        return BinaryAlarms.of(scores[:, positive], targets == positive, groups)

    def reliability(self, answers: pa.Table) -> np.ndarray:
        bins = Reliability.of(answers, Weights.once(len(answers)))
        return np.concatenate([bins.rows, bins.confidence, bins.right])

    def axis(self, labels: float, answers: pa.Table) -> float:
        """Labels a class."""
        return labels / flat(answers["scores"]).shape[1]

    def rarest(self, answers: pa.Table) -> int:
        """Scored rows of the rarest class."""
        return int(np.bincount(answers["target"].to_numpy()).min())

    def legend(self, targets: Targets) -> list[str]:
        assert isinstance(targets, Classes)
        return list(targets.names)
