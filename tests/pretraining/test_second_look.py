"""The second look: steps are revised once, and a run stopped before or after it ends with the weights of an unbroken one."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import labelfree
from labelfree.errors import Interrupted, TrainingError
from labelfree.pipeline import pretraining_plans
from labelfree.pretraining import fit as fitting
from labelfree.pretraining.fit import checkpoint_path, fit_to_the_look
from labelfree.pretraining.module import PretrainingModule
from labelfree.pretraining.second_look import pace_seen, second_look
from labelfree.pretraining.trial import Pace
from labelfree.progress import Silent
from tests.pretraining.small import small_job

PLANNED, SEEN = Pace(0.25, 0.2), Pace(0.1, 0.1)  # seconds: a busy moment, and what steps then take
LOOK = 5


class Sayings(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, sentence: str) -> None:
        self.said.append(sentence)


def settings(pictures: Path, cache: Path, **more: Any) -> dict[str, Any]:
    return {
        "data.root": pictures, "backbone.name": "test_resnet", "backbone.init": "random", "pretrain.minutes": 0.05,
        "pretrain.batch_size": 4, "pretrain.size": 32, "pretrain.options": {"hidden": 32}, "pretrain.on_collapse": "warn",
        "evaluate.arms": ["random", "domain"], "evaluate.primary.arm": "domain", "evaluate.primary.against": "random",
        "pool.dir": cache, **more,
    }  # fmt: skip


@pytest.fixture(scope="module")
def busy_before() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pretraining_plans, "pace_of", lambda job, room, tell: PLANNED)
        patched.setattr(fitting, "pace_seen", lambda checkpoint, plan: SEEN)
        yield


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pools")


@pytest.fixture(scope="module")
def unbroken(pictures: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory, busy_before: None) -> Path:
    """The folder of a run that nobody stopped."""
    return labelfree.pretrain("satellite_simclr", settings(pictures, cache), tmp_path_factory.mktemp("unbroken"), say=Silent()).folder


def stopping_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user asks the run to stop in this step."""
    loss_at = PretrainingModule.loss_at

    def stopped(self: PretrainingModule, at: int) -> Any:
        if at == step:
            signal.raise_signal(signal.SIGINT)
        return loss_at(self, at)

    monkeypatch.setattr(PretrainingModule, "loss_at", stopped)


def test_the_look_is_early_and_at_a_fixed_step() -> None:
    assert [second_look(steps) for steps in (10, 35, 200, 1_000, 100_000)] == [5, 5, 10, 50, 100]


def test_steps_are_revised_once_for_every_seed_and_kept(pictures: Path, cache: Path, tmp_path: Path, busy_before: None) -> None:
    say = Sayings()
    run = labelfree.pretrain("satellite_simclr", settings(pictures, cache, **{"pretrain.seeds": [0, 1]}), tmp_path / "run", say=say)
    stored = json.loads((run.folder / "plan.json").read_text())
    for seed in (0, 1):
        plan, card = stored["plans"][f"domain-{seed}"], json.loads((run.folder / "backbones" / f"domain-{seed}.json").read_text())
        assert (plan["steps"], plan["look"], plan["seed"], plan["warmup"], card["steps"]) == (30, 0, seed, 3, 30)
        assert stored["taken"][f"domain-{seed}"]["steps"] == 30 and stored["taken"][f"domain-{seed}"]["seconds"] > 0
    assert yaml.safe_load((run.folder / "recipe.yaml").read_text())["pretrain"]["steps"] == 30
    told = [sentence for sentence in say.said if "instead of" in sentence]
    assert len(told) == 1 and "pretrain.steps = 30 instead of 12, revised once at step 5: 0.1 s a step" in told[0], told
    assert told[0] in stored["sentences"]
    assert any("of the 0.05 minutes asked for, 30 steps." in sentence for sentence in say.said)
    assert "of the 0.05 minutes asked for, 30 steps" in (run.folder / "report.html").read_text()


# before, at and after the look
@pytest.mark.parametrize("step", [pytest.param(3, marks=pytest.mark.slow), 4, pytest.param(6, marks=pytest.mark.slow)])
def test_stopped_and_resumed_equals_unbroken(
    step: int, unbroken: Path, pictures: Path, cache: Path, tmp_path: Path, busy_before: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = settings(pictures, cache)
    with monkeypatch.context() as patched:
        stopping_at(step, patched)
        with pytest.raises(Interrupted):
            labelfree.pretrain("satellite_simclr", asked, tmp_path / "broken", say=Silent())
    resumed = labelfree.resume(tmp_path / "broken", say=Silent())
    assert resumed.weights and resumed.weights.read_bytes() == (unbroken / "backbone.safetensors").read_bytes()
    assert (unbroken / "metrics.csv").read_text() == (resumed.folder / "metrics.csv").read_text()


def test_steps_that_are_given_are_never_revised(pictures: Path, cache: Path, tmp_path: Path, busy_before: None) -> None:
    asked = settings(pictures, cache, **{"pretrain.steps": 7})
    run = labelfree.pretrain("satellite_simclr", asked, tmp_path / "run", say=Silent())
    plan = json.loads((run.folder / "plan.json").read_text())["plans"]["domain-0"]
    assert (plan["steps"], plan["look"]) == (7, 0)


def test_the_pace_seen_counts_the_head_only_start_for_what_it_is(tmp_path: Path) -> None:
    """Steps of the start were planned to take a tenth of the others: taking as long as planned, they revise nothing."""
    job = small_job(tmp_path, steps=40, head_only=4, look=LOOK, seconds_per_step=1.0, head_seconds=0.1)
    fit_to_the_look(job, Silent())
    pace = pace_seen(checkpoint_path(job), job.plan)
    assert 0 < pace.head == pytest.approx(pace.full / 10)
    assert Pace(1.0, 0.1).seconds(1, LOOK, 4) == pytest.approx(3 * 0.1 + 1.0)


def test_a_checkpoint_of_other_steps_is_refused_but_at_its_look(tmp_path: Path) -> None:
    fit_to_the_look(small_job(tmp_path, steps=12, look=LOOK, seconds_per_step=0.1, head_seconds=0.1), Silent())
    fitting.fit(small_job(tmp_path, steps=9), Silent())  # as revised
    with pytest.raises(TrainingError, match=r"domain-0\.ckpt: was trained for 9 steps and plan\.json says 20; restore plan\.json"):
        fitting.fit(small_job(tmp_path, steps=20), Silent())
