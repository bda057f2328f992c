"""A comparison by fine-tuning: how long is chosen inside the budget, on halves of it, and what was answered is not answered again."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from labelfree.progress import Silent
from labelfree.recipe import Evaluate, Primary
from labelfree.transfer.asking import Trial
from labelfree.transfer.comparison import answer
from labelfree.transfer.encoders import Concatenated, StatisticsEncoder
from labelfree.transfer.head_steps import LEAST_STEPS, StepTimes
from labelfree.transfer.protocols import find_protocol
from labelfree.transfer.question import Question
from labelfree.transfer.setup import make_setup
from labelfree.transfer.tasks import find_task
from labelfree.transfer.tasks.multilabel import ClassSets
from labelfree.transfer.time_limit import cut_to
from labelfree.transfer.tuning import asking
from labelfree.transfer.tuning.asking import ImageAsker, halves
from labelfree.transfer.tuning.training import STEPS
from tests.transfer.classes import classes
from tests.transfer.tuning.made import SIDE, Pictures, encoder

COUNT, TRAIN = 40, 24
SETTINGS = Evaluate(
    arms=["random", "domain"], labels_per_class=[1, 4], draws=1, protocols=["linear", "finetune"],
    primary=Primary(arm="domain", against="random", protocol="finetune", budget=4),
)  # fmt: skip


def question() -> Question:
    kinds = np.arange(COUNT) % 2
    return Question(
        dataset="stripes", split="dev", task=find_task("classification"), ids=tuple(f"{at}.png" for at in range(COUNT)),
        groups=(None,) * COUNT, strata=tuple(f"class {kind}" for kind in kinds), targets=classes(kinds, 2),
        train=np.arange(TRAIN), score=np.arange(TRAIN, COUNT),
    )  # fmt: skip


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "results.csv").open(encoding="utf-8") as stream:
        return [row for row in csv.DictReader(stream) if row["metric"] == "accuracy" and row["flags"] != "envelope"]


@pytest.fixture
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "STEPS", 16)


def test_steps_are_chosen_inside_the_budget(few_steps: None, tmp_path: Path) -> None:
    arms = [encoder(), encoder(arm="domain")]
    answer(question(), arms, SETTINGS, Pictures(COUNT), tmp_path, Silent())
    rows = rows_of(tmp_path)
    assert len(rows) == 2 * 2 * 2  # arms, protocols, budgets
    flags = {
        (row["budget"], part.partition("=")[0]): part.partition("=")[2]
        for row in rows
        if row["protocol"] == "finetune" and row["arm"] == "random"
        for part in row["flags"].split(";")
    }
    assert flags["1", "setting"] == "8" and ("1", "inner") not in flags  # nothing to hold out: a half
    assert float(flags["4", "setting"]) in (0, 4, 8, 16) and 0 <= float(flags["4", "inner"]) <= 1
    linear = {row["budget"]: float(row["value"]) for row in rows if (row["protocol"], row["arm"]) == ("linear", "random")}
    tuned = {row["budget"]: float(row["value"]) for row in rows if (row["protocol"], row["arm"]) == ("finetune", "random")}
    assert tuned["4"] >= linear["4"] - 0.2  # chance on 16 images


def test_images_of_several_classes_are_asked_too(few_steps: None, tmp_path: Path) -> None:
    kinds = np.arange(COUNT) % 2
    sets = ClassSets(np.stack([kinds, 1 - kinds, np.arange(COUNT) % 3 == 0], 1).astype(int), 3, ("along", "across", "third"))
    primary = SETTINGS.primary.model_copy(update={"metric": "macro_ap", "budget": 8})
    asked = SETTINGS.model_copy(update={"labels_per_class": [8], "primary": primary})
    answer(replace(question(), task=find_task("multilabel"), targets=sets), [encoder()], asked, Pictures(COUNT), tmp_path, Silent())
    with (tmp_path / "results.csv").open(encoding="utf-8") as stream:
        tuned = [row for row in csv.DictReader(stream) if row["protocol"] == "finetune"]
    assert {row["metric"] for row in tuned} == {"macro_ap", "macro_f1"} and all("setting=" in row["flags"] for row in tuned)


@pytest.mark.slow
def test_answered_cells_are_left_alone_and_come_out_the_same(few_steps: None, tmp_path: Path) -> None:
    told = []
    for folder in (tmp_path / "once", tmp_path / "once", tmp_path / "again"):
        answer(question(), [encoder(), encoder(arm="domain")], SETTINGS, Pictures(COUNT), folder, Silent())
        told.append([{**row, "run": ""} for row in rows_of(folder)])
    assert told[0] == told[1] == told[2]


def test_the_probe_is_kept_where_training_does_not_help(few_steps: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of equal scores on the halves the fewest steps; held-out answers are the probe's then."""
    monkeypatch.setattr(ImageAsker, "outputs", lambda self, tuned, size, rows: np.tile([[0.5, 0.5]], (len(rows), 1)).astype(np.float32))
    asked = question()
    setup = make_setup(asked, SETTINGS, (SIDE,))
    asker = ImageAsker(asked, encoder(), setup, Pictures(COUNT), tmp_path, Silent(), None)
    rows = np.arange(8)
    folds = [(np.setdiff1d(rows, part), part) for part in np.split(rows, 4)]
    chosen = asker.learn(find_protocol("finetune"), rows, folds, 0)
    assert chosen.steps == 0 and chosen.tuned.trunk is None and chosen.converged
    assert chosen.held is not None and chosen.held.shape == (8, 2)


def test_halves_join_folds() -> None:
    rows = np.arange(10)
    for count in (2, 3, 5):
        folds = [(np.setdiff1d(rows, part), part) for part in np.array_split(rows, count)]
        (learn, judge), (again, other) = halves(folds)
        assert_array_equal(np.sort(np.concatenate([learn, judge])), rows)
        assert_array_equal(learn, other)
        assert_array_equal(judge, again)
        assert all(set(part) <= set(judge) or set(part) <= set(other) for _, part in folds)  # no fold is torn, and no group with it


def test_only_networks_are_tuned() -> None:
    finetune, statistics = find_protocol("finetune"), StatisticsEncoder(3)
    assert finetune.suits(encoder())
    assert not finetune.suits(statistics)
    assert not finetune.suits(Concatenated("imagenet+statistics", [encoder(), statistics]))


def test_steps_are_as_many_as_the_time_allows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "step_seconds", lambda *_: 0.1)
    asked, arms = question(), [encoder(), encoder(arm="domain"), StatisticsEncoder(3)]
    setup = make_setup(asked, SETTINGS, (SIDE,))
    trial = Trial(setup, asked, arms, Pictures(COUNT), None, tmp_path, Silent())
    times = StepTimes.measured(trial)
    # of 100 seconds 70 are for 2 budgets of the 2 arms that are networks: each cell trains thrice
    assert times.planned(setup, 100.0).steps == {"finetune": int(70 / (2 * 2 * 3 * 0.1))}
    assert times.planned(setup, 1e6).steps == {"finetune": STEPS}
    short = cut_to(0.5, 4, trial)
    assert short.steps == {"finetune": LEAST_STEPS}
    assert any(f"finetune {LEAST_STEPS} (of {STEPS})" in note for note in short.notes)
