"""Questions about images in words, each with an answer out of a closed set: whether a network's tokens hold what a language model asks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa

from labelfree.data.manifest import Manifest, with_questions_beside
from labelfree.data.questions import normal
from labelfree.domain import Row
from labelfree.errors import DataError
from labelfree.recipe import TOKEN_PROTOCOLS
from labelfree.transfer.question import Question
from labelfree.transfer.tasks.base import LabelledImages, Metric, Targets, Task, flat, nested
from labelfree.transfer.tasks.shares import share
from labelfree.transfer.tasks.weights import Weights
from labelfree.transfer.words import BudgetWords

if TYPE_CHECKING:
    from labelfree.data.set_labels import SetLabels

KINDS = ("yes_no", "number", "other")  # of answers, as VQA has them (Antol et al. 2015, arXiv:1505.00468)
NUMBERS = {"no", "none", "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "many"}
Asked = tuple[tuple[str, str], ...]


def kind_of(answer: str) -> str:
    """Of an answer as `normal` has it."""
    if answer in ("yes", "no"):
        return "yes_no"
    return "number" if answer in NUMBERS or answer.replace(".", "", 1).isdigit() else "other"


@dataclass(frozen=True)
class Questions(Targets):
    """`values`: (n,) how many questions each image has; `asked`: of each its questions and answers, answers as `normal` has them."""

    asked: tuple[Asked, ...] = ()

    def __getitem__(self, rows: np.ndarray) -> Questions:
        at = np.arange(len(self.values))[rows]
        return Questions(self.values[at], self.width, tuple(self.asked[int(row)] for row in at))

    @property
    def content(self) -> str:
        return hashlib.sha256(repr(self.asked).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Said:
    """A head's answers: of each image one a question, in their order. `known`: all that it can answer."""

    answers: Sequence[Sequence[str]]
    known: frozenset[str]


def _of_kinds(column: str, kinds: Sequence[str]) -> Callable[[pa.Table], np.ndarray]:
    places = [KINDS.index(kind) for kind in kinds]
    return lambda answers: flat(answers[column])[:, places].sum(1).astype(np.float64)


def accuracy_of(*kinds: str) -> Callable[[pa.Table, Weights], np.ndarray]:
    """Share of the questions with an answer of these kinds that are answered right: all questions of an image are drawn together."""
    right, asked = _of_kinds("right", kinds), _of_kinds("asked", kinds)
    return lambda answers, weights: share(weights.sums(right(answers)), weights.sums(asked(answers)))


def unseen(answers: pa.Table, weights: Weights) -> np.ndarray:
    """Share of the questions whose answer no label of the budget has: they cannot be answered right."""
    return share(weights.sums(_of_kinds("unseen", KINDS)(answers)), weights.sums(_of_kinds("asked", KINDS)(answers)))


class VQA(Task):
    """Each labelled image has questions, and all of them come with it. Answers are the same whatever their case."""

    name = "vqa"
    columns = ("questions",)
    metrics: ClassVar[dict[str, Metric]] = {
        "accuracy": Metric("accuracy", accuracy_of(*KINDS), title="accuracy over questions"),
        "accuracy_yes_no": Metric("accuracy_yes_no", accuracy_of("yes_no"), "accuracy, yes or no"),
        "accuracy_number": Metric("accuracy_number", accuracy_of("number"), "accuracy, numbers"),
        "accuracy_other": Metric("accuracy_other", accuracy_of("other"), "accuracy, other answers"),
        "unseen": Metric("unseen", unseen, "answers that no label has", higher_is_better=False),
    }
    protocols = ("attention", "language_only")
    always = ("language_only",)
    advised_protocols = ("attention",)
    protocol_group = TOKEN_PROTOCOLS
    counts_in_all = True
    budget = BudgetWords("labelled image", "labelled images", all="all labelled images", stratum="set")
    counted, given = "questions", "question"
    answer_schema = pa.schema([(name, pa.list_(pa.int16())) for name in ("asked", "right", "unseen")])

    def reading(self, labels: SetLabels) -> Manifest:
        return with_questions_beside(labels.manifest)

    def labelled(self, row: Row) -> bool:
        return bool(row.questions)

    def stratum(self, row: Row) -> str:
        return "asked"

    def targets(self, rows: Sequence[Row], images: LabelledImages | None = None) -> Questions:
        asked = tuple(tuple((question, normal(answer)) for question, answer in row.questions) for row in rows)
        return Questions(np.array([len(each) for each in asked], dtype=np.int64), 1, asked)

    def check(self, question: Question) -> None:
        targets = question.targets[question.train]
        assert isinstance(targets, Questions)
        if len({answer for each in targets.asked for _, answer in each}) < 2:
            raise DataError(f"{question.dataset}: all questions to learn from have one answer; a comparison needs two or more.")

    def answers(self, output: Said, targets: Targets) -> pa.Table:
        assert isinstance(targets, Questions)
        counts = np.zeros((3, len(targets.asked), len(KINDS)), np.int16)
        for row, (told, asked) in enumerate(zip(output.answers, targets.asked, strict=True)):
            for said, (_, answer) in zip(told, asked, strict=True):
                kind = KINDS.index(kind_of(answer))
                counts[:, row, kind] += np.array([1, said == answer, answer not in output.known], np.int16)
        return pa.table({name: nested(counts[at]) for at, name in enumerate(self.answer_schema.names)})

    def summary(self, rows: Sequence[Row]) -> str:
        asked = [answer for row in rows for _, answer in row.questions]
        return f"{self.name}: {len(asked):,} questions of {len(rows):,} images, {len(set(map(normal, asked))):,} answers"

    def caption(self, row: Row) -> str:
        return f"{len(row.questions)} questions"

    def legend(self, targets: Targets) -> list[str]:
        return []


def said_by(answers: Sequence[Any]) -> frozenset[str]:
    """All different answers of questions."""
    return frozenset(answer for each in answers for _, answer in each)
