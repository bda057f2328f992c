"""The seam of tasks: only a `Task` interprets targets and answers; questions carry strata, claims see metrics over answers."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa

from labelfree.domain import PART, Default, Row
from labelfree.errors import RecipeError
from labelfree.recipe import PROTOCOLS
from labelfree.transfer.protocols.base import Protocol
from labelfree.transfer.protocols.registry import find_protocol
from labelfree.transfer.tasks.weights import Weights
from labelfree.transfer.words import SHARE, BudgetWords, MetricWords, TaskWords

if TYPE_CHECKING:
    from labelfree.data.manifest import Manifest
    from labelfree.data.pool import Pool
    from labelfree.data.set_labels import SetLabels
    from labelfree.domain import Sample
    from labelfree.transfer.alarms import Alarms
    from labelfree.transfer.question import Question


@dataclass(frozen=True)
class Metric:
    """One number of answers. `unit`: "share", printed in percent, or what stands behind the number ("mm"). `needs`: what must be known of
    the labels besides, in words. `usual`: told of every comparison; another only where it is the primary's. `chance`: what a guess would
    score on average, where that says more than 0 does; of answers, as it depends on what there is to choose among.

    `of`: (answers of n rows, weights (B, n)) -> (B,), NaN where it is not defined.
    """

    name: str
    of: Callable[[pa.Table, Weights], np.ndarray]
    words: str = ""
    unit: str = SHARE
    higher_is_better: bool = True
    title: str = ""
    needs: str = ""
    usual: bool = True
    chance: Callable[[pa.Table], float] | None = None

    def __call__(self, answers: pa.Table, weights: Weights) -> np.ndarray:
        return self.of(answers, weights)

    def value(self, answers: pa.Table) -> float:
        """On all rows, each counted once."""
        return float(self.of(answers, Weights.once(len(answers)))[0])

    @property
    def sign(self) -> float:
        """1 where more is better, else -1: by this differences are gains."""
        return 1.0 if self.higher_is_better else -1.0

    @property
    def spoken(self) -> MetricWords:
        return MetricWords(self.words or self.name.replace("_", " "), self.unit, self.higher_is_better, self.title)


@dataclass(frozen=True)
class Targets:
    """What is to be learnt of n rows, as heads see it. `values`: (n,), a position or a number; `width`: numbers in one output."""

    values: np.ndarray
    width: int = 1

    @property
    def content(self) -> str:
        """What the values do not say of the labels, such as a digest of masks; part of what a question is known by."""
        return ""

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: np.ndarray) -> Targets:
        return type(self)(self.values[rows], self.width)

    def vectors(self) -> np.ndarray:
        """(n, width): what an average over rows is an output of."""
        return self.values.astype(np.float64)[:, None]

    def mean_of(self, sums: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """From (m, width) sums of weighted vectors, and their `weights` (m, k), to weighted means."""
        mean: np.ndarray = sums / weights.sum(1, keepdims=True)
        return mean


@dataclass(frozen=True)
class LabelledImages:
    """Images whose labels lie on their pixels: the evaluation pool, and what reads a row's file. `tolerance`: as
    `evaluate.surface_tolerance` gives it.
    """

    pool: Pool
    read: Callable[[Row], Sample]
    tolerance: float | None = None


class Task:
    """What labels of one kind are, and what may be asked of them.

    `columns` of the manifest that hold them; `metrics` and `protocols` by name, the first metric being the one advised;
    `advised_protocols`: those that a recipe for these labels asks, the last of them for the claim; (): all; `always`: those that stand
    beside whatever is asked. `budget`: what a budget counts,
    labels of each stratum or, where it `counts_in_all`, labelled images of all of them together (`empty_stratum`: of those that show
    nothing of what is looked for). `learnt`: the strata that heads learn from, which alone budgets count; (): all. `learns`: whether
    anything is learnt from labels at all; where not there is one budget, of none, and without a split a share of the rows is set aside.
    `given`: what a labelled row has, in a word.
    `answer_schema`: the columns of an answer, one row a scored image. `categorical`: see `TaskWords`.
    `protocol_group`: the entry points that its protocols are found by. `counted`: what `confusion` counts. `class_shares`: what a report
    says of each class besides, words -> field of `ClassScores`. `class_means`: the same by metrics that are means over images, name ->
    (answers, K) -> (K,), NaN where not defined. `curves`: precision over recall, words -> (answers) -> for each class
    (101,) at recalls from 0 to 1, None where it is not defined. `class_metrics`: words -> (answers, weights) -> (B, K) of each class.
    `advised_objective`: what a recipe for these labels pretrains with, where arms must have been taught what the task asks; None: any
    objective will do. `calibration`: metrics of how true scores are, where they are shares.
    """

    name: str
    columns: tuple[str, ...]
    metrics: ClassVar[Mapping[str, Metric]]
    protocols: tuple[str, ...]
    budget: BudgetWords
    answer_schema: pa.Schema
    advised_protocols: tuple[str, ...] = ()
    always: tuple[str, ...] = ()
    categorical: bool = False
    counts_in_all: bool = False
    empty_stratum: str = ""
    learnt: tuple[str, ...] = ()
    learns: bool = True
    given: str = "label"
    counted: str = "images"
    class_shares: ClassVar[Mapping[str, str]] = {}
    class_means: ClassVar[Mapping[str, Callable[[pa.Table, int], np.ndarray]]] = {}
    curves: ClassVar[Mapping[str, Callable[[pa.Table], Sequence[np.ndarray | None]]]] = {}
    class_metrics: ClassVar[Mapping[str, Callable[[pa.Table, Weights], np.ndarray]]] = {}
    protocol_group: str = PROTOCOLS
    advised_objective: Default | None = None
    calibration: tuple[str, ...] = ()

    @classmethod
    def own_question(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Of the keys of `evaluate` those that another task's protocols and primary give way to, where this one is asked instead.

        `settings`: the keys as they stand.
        """
        protocols = list(cls.advised_protocols or cls.protocols)
        return {"protocols": protocols, "primary": {"protocol": protocols[-1], "metric": next(iter(cls.metrics))}}

    def reading(self, labels: SetLabels) -> Manifest:
        """The table as this task reads it: one whose labels follow from others gives rows those that follow."""
        return labels.manifest

    def over(self, rows: Sequence[Row], labels: SetLabels) -> Task:
        """The task for these rows; one whose strata lie in files returns a copy that knows what `labels` says of them."""
        return self

    def counting(self, rows: Sequence[Row]) -> Task:
        """The task in words that say what its budgets count in these rows: slices, where labelled ones are parts of images."""
        if not any(PART in row.key for row in rows if self.labelled(row)):
            return self
        spoken = copy.copy(self)
        spoken.budget = self.budget.of_slices
        return spoken

    def protocol(self, name: str) -> Protocol:
        """The protocol called `name`, as this task means it. Raises RecipeError that lists what is installed."""
        protocol: Protocol = find_protocol(name, self.protocol_group)
        return protocol

    def labelled(self, row: Row) -> bool:
        """Whether the row carries a label of this task: then it is never pretrained on where there is no test split."""
        return all(getattr(row, column) is not None for column in self.columns)

    def asked_by(self, rows: Sequence[Row]) -> bool:
        """Whether the labels of a whole set ask for this task, where nobody names one."""
        return any(map(self.labelled, rows))

    def stratum(self, row: Row) -> str:
        """What budgets and folds are balanced over: a labelled row's part, such as its class."""
        raise NotImplementedError

    def taught(self, row: Row) -> frozenset[str]:
        """The classes that can be learnt from a labelled row: folds leave every training part some of each."""
        return frozenset([self.stratum(row)])

    def targets(self, rows: Sequence[Row], images: LabelledImages | None = None) -> Targets:
        """What is to be learnt of labelled rows. `images`: these rows as they are stored, for tasks whose labels lie on their pixels.

        Raises DataError naming the row whose label is none.
        """
        raise NotImplementedError

    def unlearnable(self, rows: Sequence[Row]) -> str:
        """Why none of these rows can be learnt from or scored, and what to say, where the task was asked for by name; "" for nothing."""
        return ""

    def check_split(self, train: Sequence[Row], score: Sequence[Row] | None) -> None:
        """Raises DataError where these rows cannot be learnt from, or be scored after that."""

    def check(self, question: Question) -> None:
        """Raises DataError where a question cannot be asked at all."""

    def answers(self, output: Any, targets: Targets) -> pa.Table:
        """A head's outputs (n, width), or a map a row, beside what they should have been, by `answer_schema` (dtypes as given)."""
        raise NotImplementedError

    def confusion(self, answers: pa.Table) -> np.ndarray | None:
        """(K, K) int64, by [truth, called]: how much of each class was called what; None where answers are not classes."""
        return None

    def called(self, scores: Mapping[str, float]) -> str:
        """What an image with these scores of classes is called."""
        return max(scores, key=scores.__getitem__)

    def call(self, scores: Any) -> Any:
        """The same of an array or tensor (n, K): (n,) positions, or (n, K) bool where an image may be of several classes."""
        return scores.argmax(1)

    def alarm(self, targets: Targets, name: str) -> int:
        """The position of the class that alarms of these targets are about, called `name`, or by itself where that is "auto"; ANY_CLASS
        where whatever is found is one.

        Raises RecipeError where the task has no operating points, or its labels none.
        """
        raise RecipeError(f"evaluate.max_false_alarms: {self.name} has no threshold to set; leave it out.")

    def alarms(self, answers: pa.Table, positive: int, groups: np.ndarray) -> Alarms:
        """The scores of the class `positive`, or of any, in answers, whose rows are of these `groups` (n,)."""
        raise NotImplementedError

    def roc(self, answers: pa.Table) -> np.ndarray | None:
        """(101,) share found at false-alarm rates from 0 to 1; None where one kind is missing, or the task has no such curve."""
        return None

    def reliability(self, answers: pa.Table) -> np.ndarray:
        """(3, bins): rows whose largest score falls into each bin, the sum of these scores, rows called right; asked of tasks that have
        metrics of `calibration`.
        """
        raise NotImplementedError

    def axis(self, labels: float, answers: pa.Table) -> float:
        """Labels of a budget as they are counted on a curve, such as labels a class."""
        return labels

    def lacking(self, answers: pa.Table) -> str:
        """Why a metric of these answers is not defined, where it is not."""
        return "the scored images do not tell it"

    def rarest(self, answers: pa.Table) -> int:
        """Scored rows of the rarest stratum."""
        return len(answers)

    def advised_metric(self, train: Sequence[Row]) -> tuple[str, str]:
        """The metric that a recipe for these labelled rows should claim by, and why."""
        return next(iter(self.metrics)), f"usual for {self.name}"

    def advised_false_alarms(self, train: Sequence[Row]) -> Default | None:
        """What a recipe for these labelled rows should ask of a threshold; None: for none, as nothing tells what a false alarm is."""
        return None

    def summary(self, rows: Sequence[Row]) -> str:
        """The task on these labelled rows in a few words, such as `classification into 10 classes`."""
        return f"{self.name} of {len(rows):,} labelled images"

    def caption(self, row: Row) -> str:
        """What a picture of a labelled row is called."""
        return self.stratum(row)

    def legend(self, targets: Targets) -> list[str]:
        """Names of an output's numbers, for classes.json."""
        return []

    def metrics_of(self, targets: Targets) -> Mapping[str, Metric]:
        """Those of the metrics that answers to these targets can tell, with the units that these are measured in."""
        return self.metrics

    def words_of(self, targets: Targets) -> TaskWords:
        """How the task speaks of these targets."""
        metrics = {name: metric.spoken for name, metric in self.metrics_of(targets).items()}
        return replace(self.words, metrics=metrics)

    @property
    def words(self) -> TaskWords:
        """How the task speaks."""
        protocols = {name: self.protocol(name).spoken for name in self.protocols}
        metrics = {name: metric.spoken for name, metric in self.metrics.items()}
        return TaskWords(self.name, self.budget, metrics, protocols, self.categorical)


def nested(numbers: np.ndarray) -> pa.ListArray:
    """Numbers of a whole row of an answer in one arrow column: (n, K) -> a column of lists, in the dtype given."""
    offsets = np.arange(0, numbers.size + 1, numbers.shape[1], dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.ascontiguousarray(numbers).ravel()))


def flat(column: pa.ChunkedArray) -> np.ndarray:
    """A column of lists of equal lengths -> (n, K)."""
    numbers: np.ndarray = column.combine_chunks().flatten().to_numpy().reshape(len(column), -1)
    return numbers
