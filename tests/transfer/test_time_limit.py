import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from labelfree.progress import Silent
from labelfree.recipe import Evaluate
from labelfree.transfer import time_limit
from labelfree.transfer.asking import Trial
from labelfree.transfer.comparison import answer
from labelfree.transfer.head_steps import LEAST_STEPS, StepTimes
from labelfree.transfer.maps.frozen import Frozen
from labelfree.transfer.maps.training import STEPS
from labelfree.transfer.protocols.finetune import Finetune
from labelfree.transfer.selection import Grid
from labelfree.transfer.setup import Setup, make_setup
from labelfree.transfer.time_limit import Speed, cut_to, differences, ladder, measure_speed
from labelfree.transfer.tuning.asking import ImageAsker
from labelfree.transfer.unlabelled import Unlabelled
from tests.transfer.conftest import Entries

SETTINGS = Evaluate(arms=["imagenet", "imagenet+domain"], labels_per_class=[1, 3, 5, 8, "all"], draws=5)


def test_search_points_go_first_then_draws_then_middle_budgets(ask) -> None:
    setup = make_setup(ask(), SETTINGS, (32, 64, 96))
    steps = list(ladder(setup, primary=5))
    assert steps[0] == setup
    knn, linear = setup.protocols
    assert steps[1].grid.of(linear) == (1.0, 10.0, 100.0)
    assert steps[1].grid.of(knn) == (20.0, 5.0, 1.0)
    assert [step.sizes for step in steps[2:4]] == [(32, 64), (32,)]
    assert [step.draws for step in steps[4:6]] == [4, 3]
    assert [step.budgets for step in steps[6:]] == [(1, 3, 5, "all"), (1, 5, "all")]
    assert min(step.draws for step in steps) == 3
    assert all({1, 5, "all"} <= set(step.budgets) for step in steps)


def test_few_draws_are_not_cut(ask) -> None:
    setup = make_setup(ask(), SETTINGS.model_copy(update={"draws": 2}), (32,))
    assert {step.draws for step in ladder(setup, primary=5)} == {2}


def test_each_step_costs_less(ask) -> None:
    setup = make_setup(ask(), SETTINGS, (32, 64, 96))
    speed = Speed((1.0, 1.0), {(p, b): 0.1 for p in setup.protocols for b in setup.budgets}, folds=1)
    costs = [speed.seconds(step) for step in ladder(setup, primary=5)]
    assert costs == sorted(costs, reverse=True)
    assert len(set(costs)) == len(costs)


def test_larger_inputs_cost_their_area_and_of_volumes_their_voxels(ask) -> None:
    """One image a second at 32 is four at 64, and eight where a third axis is twice as long too."""
    setup = replace(make_setup(ask(), SETTINGS, (32, 64)), protocols=())
    speed = Speed((1.0,), {}, folds=1)
    assert speed.seconds(setup) == pytest.approx(1 + 4)
    assert speed.seconds(replace(setup, dims=3)) == pytest.approx(1 + 8)
    tuned = ImageAsker.points(replace(setup, dims=3), Finetune())
    assert tuned == pytest.approx(8)


def test_enough_time_cuts_nothing_and_too_little_says_so(ask, made_up, entries, tmp_path) -> None:
    question = ask()
    encoders = [made_up("imagenet", question.targets.values, 0.3)]
    setup = make_setup(question, SETTINGS, (32, 64))
    assert cut_to(3600, 5, Trial(setup, question, encoders, entries(105), None, tmp_path, Silent())) == setup
    least = cut_to(1e-9, 5, Trial(setup, question, encoders, entries(105), None, tmp_path, Silent()))
    assert least.budgets == (1, 5, "all")
    assert len(differences(setup, least, 60)) == 4
    assert "nothing more can be cut" in least.notes[-1]


def test_what_was_cut_is_kept_for_a_restart(ask, made_up, entries, run_folder) -> None:
    settings = SETTINGS.model_copy(update={"minutes": 1e-6})
    question = ask()
    folder = run_folder(settings)
    encoder = made_up("imagenet", question.targets.values, 0.3)
    first, again = (answer(question, [encoder], settings, entries(105), folder, Silent()) for _ in range(2))
    assert again == first != make_setup(question, settings, encoder.sizes)
    assert first.sizes_of(encoder) == (32,)  # and heads are searched for with the same points
    decided = json.loads((folder / "evaluation.json").read_text())
    assert decided["sizes"] == [32]
    assert decided["draws"] == 3
    assert any("draws were cut from 5 to 3" in note for note in decided["notes"])
    assert not [path for path in (folder / "features").iterdir() if "-64-" in path.name]


def test_fewer_steps_are_told(ask) -> None:
    """A protocol whose heads are trained by steps, beside one that has none."""
    trained, settled = Frozen(), make_setup(ask(), SETTINGS, (32,)).protocols[1]
    setup = replace(make_setup(ask(), SETTINGS, (32,)), protocols=(settled, trained))
    assert differences(setup, replace(setup, steps={"frozen": STEPS}), 60) == []
    assert differences(setup, replace(setup, steps={"frozen": 47}), 60) == [
        "evaluate.minutes=1: every arm's heads are trained in fewer steps: frozen 47 (of 120)."
    ]


class Slow:
    """An encoder that works for two milliseconds an image. `sizes`: one."""

    arm, seed, backbone, sizes, blocks, digest = "imagenet", 0, "slow_net", (32,), (24,), "slow"

    def features(self, pool: Entries, entries: Sequence[int], size: int) -> np.ndarray:
        done = time.thread_time() + 0.002 * len(entries)  # asleep it would not count: time that others take is left out
        while time.thread_time() < done:
            pass
        return np.zeros((len(entries), 24), np.float32)


def test_what_learning_from_unlabelled_images_takes_is_in_the_estimate(ask, tmp_path) -> None:
    """Their features too, and the protocol is timed beside as many."""
    question = ask()
    count = len(question.ids)
    settings = SETTINGS.model_copy(update={"labels_per_class": [5], "protocols": ["linear", "propagate"]})
    setup = make_setup(question, settings, (32,))
    none = np.empty((0, 2), np.int64)
    beside = Unlabelled(question, Entries(300), np.arange(300), tuple(map(str, range(300))), (None,) * 300, none)
    linear, propagate = setup.protocols
    alone = Trial(setup, question, [Slow()], Entries(count), None, tmp_path, Silent())
    more = replace(alone, unlabelled=beside)
    unread = replace(more, setup=replace(setup, protocols=(linear,)))
    first, second, third = map(measure_speed, (alone, more, unread))
    assert second.reading[0] > 2 * max(first.reading[0], third.reading[0])  # 405 images for 105
    assert second.cell[propagate, 5] > first.cell[propagate, 5]


@pytest.mark.parametrize(
    "seconds, arms, planned",
    [
        (480, (0.5, 0.1), 35),  # 70 % of it, for sixteen heads of each arm
        (960, (0.5, 0.1), 60),  # 70 have time, but half a minute of the slower arm has not
        (960, (0.001, 0.1), STEPS),
        (1, (0.5, 0.1), LEAST_STEPS),
    ],
)
def test_time_bounds_the_steps(ask, seconds: float, arms: tuple[float, ...], planned: int) -> None:
    frozen = Frozen()
    setup = replace(make_setup(ask(), SETTINGS, (32,)), protocols=(frozen,), budgets=(1, 3, 5, "all"), draws=5)
    assert StepTimes({frozen: arms}, folds=1).planned(setup, seconds).steps == {"frozen": planned}
    if seconds == 480:
        assert StepTimes({frozen: arms}, folds=2).planned(setup, seconds).steps == {"frozen": LEAST_STEPS}


ARMS, STEP, MINUTES = 2, 0.02, 67.5


def measured(monkeypatch: pytest.MonkeyPatch, beside: float) -> None:
    """A clock by which a step takes every arm STEP seconds, and a head takes as long as its steps and `beside` seconds more."""
    monkeypatch.setattr(StepTimes, "measured", lambda trial: StepTimes({trial.setup.protocols[0]: (STEP,) * ARMS}, folds=1))
    monkeypatch.setattr(time_limit, "measure_speed", lambda trial: speed_of(trial.setup, beside))


def speed_of(setup: Setup, beside: float) -> Speed:
    cell = {(one, labels): STEP * setup.steps[one.name] + beside for one in setup.protocols for labels in setup.budgets}
    return Speed((1.0,) * ARMS, cell, folds=1)


@pytest.mark.parametrize("beside, sizes, steps", [(0.3, (32, 64, 96), 40), (0.6, (32, 64), 103), (3.0, (32,), STEPS)])
def test_what_cuts_leave_goes_into_steps(
    ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beside: float, sizes: tuple[int, ...], steps: int
) -> None:
    """Forty are planned for three sizes; where the largest goes, each head is trained seldom enough for more."""
    measured(monkeypatch, beside)
    frozen = Frozen()
    setup = replace(make_setup(ask(), SETTINGS, (32, 64, 96)), protocols=(frozen,), grid=Grid(settings={"frozen": frozen.settings}))
    cut, again = (cut_to(60 * MINUTES, 5, Trial(setup, ask(), [], Entries(105), None, tmp_path, Silent())) for _ in range(2))
    assert cut == again and (cut.sizes, cut.steps, cut.draws) == (sizes, {"frozen": steps}, 5)
    assert speed_of(cut, beside).seconds(cut) <= 60 * MINUTES  # with all its steps
    told = [note for note in cut.notes if "fewer steps" in note]
    fewer = f"evaluate.minutes=67.5: every arm's heads are trained in fewer steps: frozen {steps} (of {STEPS})."
    assert told == ([] if steps == STEPS else [fewer])
    assert setup.restored(json.loads(json.dumps(cut.to_dict()))).steps == cut.steps


def test_where_time_is_short_after_all_cuts_steps_are_not_raised(ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured(monkeypatch, beside=3600.0)
    setup = replace(make_setup(ask(), SETTINGS, (32, 64, 96)), protocols=(Frozen(),))
    cut = cut_to(60 * MINUTES, 5, Trial(setup, ask(), [], Entries(105), None, tmp_path, Silent()))
    assert cut.steps == {"frozen": 40} and "nothing more can be cut" in cut.notes[-1]


def test_steps_that_are_left_go_to_those_that_lack_any(ask) -> None:
    first, second = Frozen(), Frozen()
    second.name = "other"
    setup = replace(make_setup(ask(), SETTINGS, (32,)), protocols=(first, second), steps={"frozen": STEPS, "other": 30})
    one_more = 21 * 0.5  # seconds: 21 heads of one arm
    raised = StepTimes({first: (0.5,), second: (0.25, 0.25)}, folds=1).raised(setup, 20.5 * one_more / 0.7)
    assert raised.steps == {"frozen": STEPS, "other": 50}
