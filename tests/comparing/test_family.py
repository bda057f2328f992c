"""Holm over the primaries of several runs, against the closed test by brute force and on simulated runs under equal arms."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelfree.comparing.family import family
from labelfree.comparing.runs import ComparedRun
from labelfree.transfer.claims import Claims, compare_at, holm
from labelfree.transfer.claims.scores import Prediction, Scores
from tests.comparing.made import CLASSES, PRIMARY
from tests.transfer.classes import TASK
from tests.transfer.classes import classes as of_classes

ROWS, DRAWS = 36, 3


def closed_test(ps: Sequence[float], alpha: float) -> list[bool]:
    """The closure principle (Marcus, Peritz and Gabriel 1976): claimed is what Bonferroni rejects in every intersection that holds it."""
    everyone = range(len(ps))
    sets = [each for size in range(1, len(ps) + 1) for each in combinations(everyone, size)]
    return [all(min(ps[i] for i in each) <= alpha / len(each) for each in sets if place in each) for place in everyone]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_is_the_closed_test_by_brute_force(ps: list[float]) -> None:
    assert [verdict.rejected for verdict in holm(ps)] == closed_test(ps, 0.05)


@given(st.lists(st.floats(0, 0.1), min_size=2, max_size=6))
def test_levels_never_depend_on_the_order_of_the_runs(ps: list[float]) -> None:
    there, back = holm(ps), holm(ps[::-1])[::-1]
    assert [verdict.rejected for verdict in there] == [verdict.rejected for verdict in back]


def simulated(number: int, generator: np.random.Generator, gain: float = 0.0) -> ComparedRun:
    """A run of two arms in one budget. Images are hard in groups of two; each draw of labels makes each arm a little better or worse."""
    targets = np.arange(ROWS) % CLASSES
    groups = np.arange(ROWS) // 2
    hard = np.repeat(generator.normal(size=ROWS // 2), 2)[:, None]
    cells, results = {}, []
    for arm, lean in ((PRIMARY.arm, gain), (PRIMARY.against, 0.0)):
        keys = {}
        for draw in range(DRAWS):
            scores = generator.normal(size=(ROWS, CLASSES)) + (1.0 + lean + hard + generator.normal(scale=0.2)) * np.eye(CLASSES)[targets]
            keys[0, draw, 0] = Prediction(TASK.answers(scores, of_classes(targets, CLASSES)), groups)
            row = {"arm": arm, "backbone": "net", "protocol": "knn", "budget": "2", "seed": "0", "draw": str(draw), "fold": "0"}
            results.append(row | {"size": "32", "n_labels": "6", "metric": "accuracy", "value": "", "flags": ""})
        cells[arm, "knn", "2"] = keys
    scores_of_run = Scores(
        task=TASK,
        cells=cells,
        results=results,
        group_count=ROWS // 2,
        crossed=False,
        metric=TASK.metrics["accuracy"],
        seed=number,
        words=TASK.words,
    )
    claims = Claims("", compare_at(scores_of_run, (PRIMARY.arm, "knn", "2"), PRIMARY.against), None, None, [], [], None, [], [], "", "")
    return ComparedRun(number, f"run {number}", None, PRIMARY, TASK.words, "simulated", "dev", False, False, "", claims, scores_of_run)


def test_equal_arms_of_several_runs_are_claimed_to_differ_no_more_often_than_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    """From simulated predictions on: 100 families of eight runs whose arms are equally good. Uncorrected, more of them are wrong."""
    from labelfree.transfer.claims import scores

    stream = scores.resamplings(ROWS // 2, 0)  # one for all runs: it is half of the time
    monkeypatch.setattr(scores, "resamplings", lambda groups, seed: stream)
    generator = np.random.default_rng(0)
    families = [family([simulated(number, generator) for number in range(8)]) for _ in range(100)]
    false = np.mean([any(each.claimed for each in tested) for tested in families])
    uncorrected = np.mean([any(each.p <= 0.05 for each in tested) for tested in families])
    assert false <= 0.05 < uncorrected


def test_a_true_difference_is_found_among_equal_ones() -> None:
    generator = np.random.default_rng(1)
    runs = [simulated(number, generator, gain) for number, gain in enumerate((0.0, 3.0, 0.0))]
    tested = family(runs)
    assert [each.verdict for each in tested] == ["no significant difference", "better", "no significant difference"]
    assert tested[1].alpha == pytest.approx(0.05 / 3)


def test_a_small_p_behind_a_failure_says_so() -> None:
    generator = np.random.default_rng(2)
    runs = []
    while len(runs) < 2:  # two p values between .025 and .05: the first fails, so the second is not tested
        run = simulated(len(runs), generator, 0.35)
        runs += [run] if 0.025 < run.p < 0.05 else []
    smaller, larger = sorted(family(runs), key=lambda each: each.p)
    assert not smaller.claimed and not larger.claimed
    assert larger.low > 0 and larger.alpha == 0.05  # its own interval would have claimed
    assert (smaller.reason, larger.reason) == ("", "a smaller p of the family was not significant, so its own is not tested")
