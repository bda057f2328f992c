"""Several classes an image: a label such as `water|forest` names a set. A class is answered apart from the others."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa

from labelfree.domain import Row
from labelfree.errors import DataError
from labelfree.recipe import SET_PROTOCOLS
from labelfree.transfer.question import Question
from labelfree.transfer.tasks.base import LabelledImages, Metric, Targets, Task, flat, nested
from labelfree.transfer.tasks.shares import mean_share, share
from labelfree.transfer.tasks.weights import Weights
from labelfree.transfer.words import BudgetWords

if TYPE_CHECKING:
    from labelfree.data.set_labels import SetLabels

SEPARATOR = "|"
CALLED = 0.5  # the score from which on a class is called
NAMED = 3  # classes that a picture's caption names


def names_in(label: str) -> list[str]:
    """The classes that a label names, each once, in its order. Raises ValueError where a part is empty."""
    names = [part.strip() for part in label.split(SEPARATOR)]
    if not all(names):
        raise ValueError(label)
    return list(dict.fromkeys(names))


@dataclass(frozen=True)
class ClassSets(Targets):
    """`values`: (n, K) int64, 1 where an image is of a class, among `names`, sorted."""

    names: tuple[str, ...] = ()

    def __getitem__(self, rows: np.ndarray) -> ClassSets:
        return ClassSets(self.values[rows], self.width, self.names)

    def vectors(self) -> np.ndarray:
        return self.values.astype(np.float64)


def macro_f1(answers: pa.Table, weights: Weights) -> np.ndarray:
    """Mean F1 over the classes that occur or are called."""
    called, truth = flat(answers["scores"]) >= CALLED, flat(answers["target"]) > 0
    sums = weights.column_sums(np.concatenate([called & truth, called, truth], 1).astype(np.float64))
    hits, said, support = np.split(sums, 3, axis=1)
    return mean_share(2 * hits, said + support)


def macro_ap(answers: pa.Table, weights: Weights) -> np.ndarray:
    """Mean average precision over the classes that occur: precision at every score, weighted by the recall it adds; rows of equal scores
    are taken together.
    """
    scores, truth = flat(answers["scores"]), flat(answers["target"])
    return np.concatenate([_average_precision(scores, truth, lines) for lines in weights.lines()])


def _average_precision(scores: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """`scores`, `truth`: (n, K). `weights`: (B, n). Returns (B,), NaN where no class occurs."""
    total, occurring = np.zeros(len(weights)), np.zeros(len(weights))
    for ranked, positive in zip(scores.T, truth.T, strict=True):
        order = np.argsort(-ranked, kind="stable")
        values = ranked[order]
        starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]])
        chosen = weights[:, order]
        found = np.add.reduceat(chosen * positive[order], starts, axis=1)
        seen = np.cumsum(np.add.reduceat(chosen, starts, axis=1), 1)
        precision = np.divide(np.cumsum(found, 1), seen, out=np.zeros_like(seen), where=seen > 0)
        support = found.sum(1)
        occurs = support > 0
        total[occurs] += (found * precision).sum(1)[occurs] / support[occurs]
        occurring += occurs
    return share(total, occurring)


class MultiLabel(Task):
    """The column `label` names one or more classes, apart by `|`. `images_with`: class -> images of it among the rows that the task is
    asked `over`.
    """

    name = "multilabel"
    columns = ("label",)
    metrics: ClassVar[dict[str, Metric]] = {
        "macro_ap": Metric("macro_ap", macro_ap, "macro AP", title="average precision, mean over classes"),
        "macro_f1": Metric("macro_f1", macro_f1, title="macro F1"),
    }
    protocols = ("knn", "linear", "finetune")
    advised_protocols = ("knn", "linear")
    protocol_group = SET_PROTOCOLS
    counts_in_all = True
    budget = BudgetWords("labelled image", "labelled images", all="all labelled images")
    answer_schema = pa.schema([("target", pa.list_(pa.int8())), ("scores", pa.list_(pa.float32()))])

    def __init__(self) -> None:
        self.images_with: Mapping[str, int] = {}

    def over(self, rows: Sequence[Row], labels: SetLabels) -> MultiLabel:
        bound = copy.copy(self)
        bound.images_with = Counter(name for row in rows if self.labelled(row) for name in self.classes(row))
        return bound

    def asked_by(self, rows: Sequence[Row]) -> bool:
        return any(several(row) for row in rows)

    def classes(self, row: Row) -> list[str]:
        """Of a labelled row. Raises DataError where its label has an empty part."""
        try:
            return names_in(str(row.label))
        except ValueError:
            way = f"write classes as a{SEPARATOR}b, or set evaluate.task=classification"
            raise DataError(f"{row.called}: a part of the label {row.label!r} is empty; {way}.") from None

    def stratum(self, row: Row) -> str:
        """The rarest of its classes: that of the fewest images."""
        return min(self.classes(row), key=lambda name: (self.images_with.get(name, 0), name))

    def taught(self, row: Row) -> frozenset[str]:
        return frozenset(self.classes(row))

    def targets(self, rows: Sequence[Row], images: LabelledImages | None = None) -> ClassSets:
        sets = [self.classes(row) for row in rows]
        names = tuple(sorted({name for each in sets for name in each}))
        values = np.array([[name in each for name in names] for each in map(set, sets)], dtype=np.int64).reshape(len(rows), len(names))
        return ClassSets(values, len(names), names)

    def check_split(self, train: Sequence[Row], score: Sequence[Row] | None) -> None:
        """Every scored class must be on train images to be learnt, and there must be two."""
        known, asked = (Counter(name for row in rows for name in self.classes(row)) for rows in (train, score or ()))
        unknown = sorted(name for name in asked if name not in known)
        if unknown:
            raise DataError(
                f"Class {unknown[0]!r} is on {asked[unknown[0]]} scored images and on no train image; label some, or leave the class out."
            )
        if len(known) < 2:
            raise DataError(f"Only one class has labels ({', '.join(known)}); a comparison needs two.")

    def check(self, question: Question) -> None:
        targets = question.targets
        assert isinstance(targets, ClassSets)
        if targets.width < 2:
            raise DataError(f"{question.dataset}: labels of one class only ({', '.join(targets.names)}). A comparison needs two or more.")

    def advised_metric(self, train: Sequence[Row]) -> tuple[str, str]:
        return "macro_ap", "usual for several classes an image: each counts alike, and no threshold is needed"

    def summary(self, rows: Sequence[Row]) -> str:
        sets = [self.classes(row) for row in rows]
        mean = sum(map(len, sets)) / max(1, len(sets))
        return f"{self.name} into {len({name for each in sets for name in each})} classes, {mean:.1f} an image"

    def caption(self, row: Row) -> str:
        seen = self.classes(row)
        return ", ".join(seen[:NAMED]) + (" …" if len(seen) > NAMED else "")

    def answers(self, output: np.ndarray, targets: Targets) -> pa.Table:
        return pa.table({"target": nested(targets.values.astype(np.int8)), "scores": nested(output)})

    def rarest(self, answers: pa.Table) -> int:
        """Scored images of the rarest class."""
        return int((flat(answers["target"]) > 0).sum(0).min())

    def called(self, scores: Mapping[str, float]) -> str:
        """Classes from a score of one half on; "" where there is none."""
        return SEPARATOR.join(name for name, score in scores.items() if score >= CALLED)

    def call(self, scores: Any) -> Any:
        return scores >= CALLED

    def legend(self, targets: Targets) -> list[str]:
        assert isinstance(targets, ClassSets)
        return list(targets.names)


def several(row: Row) -> bool:
    """Whether a row's label names more than one class, all of them with a name."""
    label = str(row.label or "")
    return SEPARATOR in label and all(part.strip() for part in label.split(SEPARATOR))
