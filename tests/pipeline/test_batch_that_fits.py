"""`pretrain.batch_size: auto`: half as many images until a step fits in memory, told in one sentence, kept in plan.json."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import labelfree
from labelfree.backbones import build
from labelfree.errors import TrainingError
from labelfree.objectives.byol import BYOL
from labelfree.pipeline import pretraining_plans
from labelfree.pretraining.trial import Pace
from labelfree.progress import Silent
from labelfree.training import free_memory
from labelfree.training.files import read_json
from labelfree.training.memory import OutOfMemory, batch_fits, kept_for_backward


class Told(Silent):
    def __init__(self) -> None:
        self.sentences: list[str] = []

    def say(self, sentence: str) -> None:
        self.sentences.append(sentence)


def asked(pictures: Path, cache: Path, **more: Any) -> dict[str, Any]:
    return {
        "data.root": str(pictures), "pretrain.objective": "simsiam", "backbone.name": "test_resnet", "backbone.init": "random",
        "evaluate.arms": ["random", "domain"], "evaluate.primary.arm": "domain", "evaluate.primary.against": "random",
        "pretrain.steps": 2, "pretrain.minutes": None, "pretrain.size": 32, "pretrain.options": {"hidden": 16, "out": 16},
        "pool.dir": str(cache), **more,
    }  # fmt: skip


def test_what_an_estimate_says_does_not_fit_is_halved(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """40 images give batches of 10 where memory is no matter."""
    say = Told()
    kept: list[float] = []
    plain = pretraining_plans.pace_of

    def pace_of(job: Any, room: float, tell: Any) -> Pace:
        kept.append(job.plan.batch_size)
        return plain(job, 1e3 if job.plan.batch_size > 5 else 1e12, tell)

    monkeypatch.setattr(pretraining_plans, "pace_of", pace_of)
    run = labelfree.pretrain("satellite_simclr", asked(pictures, tmp_path / "pool"), tmp_path / "run", say=say)
    plan = read_json(run.folder / "plan.json")["plans"]["domain-0"]
    assert kept == [10, 5] and plan["batch_size"] == 5
    halved = [re.sub("about [0-9.]+ [MG]B", "about N", sentence) for sentence in say.sentences if "do not fit" in sentence]
    took = "about N, and 0.0 MB are free"
    assert halved == [f"10 images a batch do not fit in memory (a step takes {took}); 5 are tried."]
    reasons = [re.sub("about [0-9.]+ [MG]B", "about N", sentence) for sentence in read_json(run.folder / "plan.json")["sentences"]]
    assert f"domain: pretrain.batch_size = 5 (more did not fit in memory: 10 take {took})." in reasons
    assert plan["lr"] == pytest.approx(0.05 * 5 / 256)  # what follows from the batch follows from this one


def test_a_batch_size_that_was_given_is_not_changed(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def pace_of(job: Any, room: float, tell: Any) -> Pace:
        with batch_fits(job.plan.batch_size):
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 10 bytes")

    monkeypatch.setattr(pretraining_plans, "pace_of", pace_of)
    with pytest.raises(TrainingError, match=r"out of memory at a batch of 8: set pretrain.batch_size=4, or a smaller pretrain.size"):
        given = asked(pictures, tmp_path / "pool", **{"pretrain.batch_size": 8})
        labelfree.pretrain("satellite_simclr", given, tmp_path / "run", say=Silent())


@pytest.mark.parametrize("batch, told", [("auto", False), (8, True)])
def test_a_step_is_held_against_what_is_free(
    batch: Any, told: bool, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 0.2 MB: batches of `auto` end at the fewest; one that was given is told, and tried."""
    monkeypatch.setattr(free_memory, "free_bytes", lambda: 2e5)
    given, say = asked(pictures, tmp_path / "pool", **{"pretrain.batch_size": batch}), Told()
    if batch == "auto":
        with pytest.raises(TrainingError, match=r"out of memory: a step of 2 images takes about .*, and 0.2 MB are free; set a smaller"):
            labelfree.pretrain("satellite_simclr", given, tmp_path / "run", say=say)
    else:
        labelfree.pretrain("satellite_simclr", given, tmp_path / "run", say=say)
    risky = [sentence for sentence in say.sentences if sentence.startswith("A step of 8 images takes about ")]
    assert len(risky) == told
    assert all("0.2 MB are free: the system may end the run" in sentence and "pretrain.batch_size=4 or" in sentence for sentence in risky)


def test_halving_ends_with_the_sentence(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def pace_of(job: Any, room: float, tell: Any) -> Pace:
        tried.append(job.plan.batch_size)
        raise OutOfMemory("out of memory.")

    monkeypatch.setattr(pretraining_plans, "pace_of", pace_of)
    with pytest.raises(TrainingError, match="out of memory"):
        labelfree.pretrain("satellite_simclr", asked(pictures, tmp_path / "pool"), tmp_path / "run", say=Silent())
    assert tried == [10, 5, 2]


@pytest.mark.parametrize(("norm", "tried"), [("auto", [4]), pytest.param("train", [10], marks=pytest.mark.slow)])
def test_few_minutes_make_batches_of_few_images(
    norm: str, tried: list[int], pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tenth of a second an image: six seconds are 6 steps of 10 images or 15 of 4. Not where BatchNorm takes statistics of so few."""
    timed: list[int] = []

    def pace_of(job: Any, room: float, tell: Any) -> Pace:
        timed.append(job.plan.batch_size)
        return Pace(0.1 * job.plan.batch_size, 0.1 * job.plan.batch_size)

    monkeypatch.setattr(pretraining_plans, "pace_of", pace_of)
    monkeypatch.setattr(BYOL, "small_batch", 4)
    save_file(build("test_resnet", 3).net.state_dict(), tmp_path / "mine.safetensors")
    more = {"pretrain.objective": "byol", "pretrain.minutes": 0.1, "pretrain.steps": "auto", "pretrain.norm": norm}
    more |= {"backbone.init": str(tmp_path / "mine.safetensors"), "evaluate.arms": ["random", "imagenet+domain"]}
    given = asked(pictures, tmp_path / "pool", **more) | {"evaluate.primary.arm": "imagenet+domain"}
    run = labelfree.pretrain("satellite_simclr", given, tmp_path / "run", say=Silent())
    stored = read_json(run.folder / "plan.json")
    assert timed == tried and stored["plans"]["imagenet+domain-0"]["batch_size"] == tried[-1]
    why = "pretrain.batch_size = 4 (more steps rather than larger ones: 0.1 minutes do not allow 150 of 10 images)"
    assert any(why in told for told in stored["sentences"]) == (norm == "auto")


def test_what_is_kept_for_backward_is_counted_once() -> None:
    x, first, second = torch.randn(7, 100), nn.Linear(100, 50, bias=False), nn.Linear(50, 3, bias=False)
    floats = {"x": 700, "hidden": 350, "weight of the second": 150}
    assert kept_for_backward(lambda: second(first(x).relu()).sum()) == 4 * sum(floats.values())
