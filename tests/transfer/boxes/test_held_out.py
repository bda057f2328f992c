"""Answers that a threshold is set by: of heads that learned from the other half of the labels, at the primary's point alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from labelfree.data.boxes import Boxes, Detections
from labelfree.progress import Silent
from labelfree.transfer.alarms import ANY_CLASS
from labelfree.transfer.boxes.asking import BoxAsker
from labelfree.transfer.boxes.frozen import Frozen, FrozenRetinanet
from labelfree.transfer.cells import Cell, CellKey
from labelfree.transfer.operating import Rule
from labelfree.transfer.question import Question
from labelfree.transfer.selection import Grid
from labelfree.transfer.setup import Setup, parts_of
from tests.transfer.detections import TASK, targets

IMAGES, TRAIN = 24, 16
DRAWN = [Boxes.of([[at, at, at + 20, at + 20]], [0]) if at % 4 else Boxes.none() for at in range(IMAGES)]
RULE = Rule(0.5, ANY_CLASS, ("domain", "imagenet"), "frozen", 8)


class Asked(BoxAsker):
    """Fits nothing: a head is the images it learned from, and finds the right box with a score that tells which head it was."""

    fits: list[list[int]]

    def fit(self, protocol: Any, size: int, rows: np.ndarray, seed: int, seen: np.ndarray | None = None) -> Any:
        self.fits.append(rows.tolist())
        return SimpleNamespace(rows=rows, converged=True)

    def predicted(self, fitted: Any, size: int, rows: np.ndarray) -> list[Detections]:
        sure = 1 / (1 + fitted.rows.min())
        return [Detections.of(DRAWN[row].corners, [0] * len(DRAWN[row]), [sure] * len(DRAWN[row])) for row in rows]


@pytest.fixture
def question() -> Question:
    strata = tuple("class 0" if len(drawn) else "nothing" for drawn in DRAWN)
    return Question(
        dataset="made-up", split="dev", task=TASK, ids=tuple(map(str, range(IMAGES))), groups=(None,) * IMAGES, strata=strata,
        targets=targets(DRAWN, 1), train=np.arange(TRAIN), score=np.arange(TRAIN, IMAGES),
        taught=tuple(frozenset(["class 0"] if len(drawn) else []) for drawn in DRAWN),
    )  # fmt: skip


@pytest.fixture
def ask(question: Question, tmp_path: Path) -> Callable[..., tuple[Cell, list[list[int]]]]:
    """A cell, and what its heads learned from."""

    def make(
        arm: str = "domain", labels: int = 8, protocol: Frozen | None = None, rule: Rule | None = RULE
    ) -> tuple[Cell, list[list[int]]]:
        setup = Setup((4, 8), 1, (64,), Grid(settings={"frozen": (1.0,)}), (Frozen(),), "map", alarm=rule)
        encoder: Any = SimpleNamespace(arm=arm, backbone="made up", seed=0, sizes=(64,), digest=arm)
        asker = Asked(question, encoder, setup, SimpleNamespace(), tmp_path, Silent(), None)  # type: ignore[arg-type]
        asker.fits = []
        part, asked = next(iter(parts_of(question, 1))), protocol or Frozen()
        return asker.cell(CellKey(arm, "made up", 0, asked.name, labels, 0, 0), asked, part), asker.fits

    return make


def test_every_labelled_image_is_answered_by_the_head_that_did_not_learn_from_it(ask, question: Question) -> None:
    cell, (everything, *halves) = ask()
    assert len(everything) == 8 and len(halves) == 2 and sorted([*halves[0], *halves[1]]) == everything
    assert cell.held_rows is not None and cell.held_rows.tolist() == everything and cell.held is not None
    for row, scores in zip(everything, cell.held["score"].to_pylist(), strict=True):
        other = halves[1] if row in halves[0] else halves[0]
        assert scores == pytest.approx([1 / (1 + min(other))] * len(DRAWN[row]))
    assert all(any(len(DRAWN[row]) for row in half) for half in halves)
    assert RULE.threshold(question, cell.held_rows, cell.held) == 0.0  # no box is false


def test_it_costs_nothing_elsewhere(ask) -> None:
    for other in ({"arm": "random"}, {"labels": 4}, {"protocol": FrozenRetinanet()}, {"rule": None}):
        cell, fits = ask(**other)
        assert cell.held is None and len(fits) == 1


def test_a_cell_of_an_earlier_start_is_completed_and_then_read(ask) -> None:
    first, fits = ask(rule=None)
    assert first.held is None and len(fits) == 1
    second, fits = ask()
    assert second.held is not None and len(fits) == 2 and second.answers.equals(first.answers)
    third, fits = ask()
    assert not fits and third.held is not None and third.held.equals(second.held)


def test_time_is_planned_for_what_is_held_out() -> None:
    plain = Setup((4, 8, "all"), 5, (64,), Grid(), (Frozen(), FrozenRetinanet()), "map")
    asked = Setup((4, 8, "all"), 5, (64,), Grid(), (Frozen(), FrozenRetinanet()), "map", alarm=RULE)
    assert BoxAsker.points(plain, Frozen()) == 1.0 == BoxAsker.points(asked, FrozenRetinanet())
    assert BoxAsker.points(asked, Frozen()) == pytest.approx(1 + 2 * 5 / 11)
