"""`pretrain.batch_size: auto`: half as many images until a step fits in memory, told in one sentence, kept in plan.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import labelfree
from labelfree.errors import TrainingError
from labelfree.pipeline import pretraining_plans
from labelfree.pretraining.trial import Pace
from labelfree.progress import Silent
from labelfree.training.files import read_json
from labelfree.training.memory import OutOfMemory, batch_fits, kept_for_backward


class Told(Silent):
    def __init__(self) -> None:
        self.sentences: list[str] = []

    def say(self, sentence: str) -> None:
        self.sentences.append(sentence)


def asked(pictures: Path, cache: Path, **more: Any) -> dict[str, Any]:
    return {
        "data.root": str(pictures), "pretrain.objective": "simsiam", "backbone.name": "resnet10t", "backbone.init": "random",
        "evaluate.arms": ["random", "domain"], "evaluate.primary.arm": "domain", "evaluate.primary.against": "random",
        "pretrain.steps": 2, "pretrain.minutes": None, "pretrain.size": 32, "pretrain.options": {"hidden": 16, "out": 16},
        "pool.dir": str(cache), **more,
    }  # fmt: skip


def test_what_an_estimate_says_does_not_fit_is_halved(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """40 images give batches of 10 where memory is no matter."""
    say = Told()
    kept: list[float] = []
    plain = pretraining_plans.pace_of

    def pace_of(job: Any, most_bytes: float) -> Pace:
        kept.append(job.plan.batch_size)
        return plain(job, 0.0 if job.plan.batch_size > 5 else 1e12)

    monkeypatch.setattr(pretraining_plans, "pace_of", pace_of)
    run = labelfree.pretrain("satellite_simclr", asked(pictures, tmp_path / "pool"), tmp_path / "run", say=say)
    plan = read_json(run.folder / "plan.json")["plans"]["domain-0"]
    assert kept == [10, 5] and plan["batch_size"] == 5
    assert say.sentences.count("10 images a batch do not fit in memory; 5 are tried.") == 1
    reasons = read_json(run.folder / "plan.json")["sentences"]
    assert "domain: pretrain.batch_size = 5 (more did not fit in memory)." in reasons
    assert plan["lr"] == pytest.approx(0.05 * 5 / 256)  # what follows from the batch follows from this one


def test_a_batch_size_that_was_given_is_not_changed(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def pace_of(job: Any, most_bytes: float) -> Pace:
        assert most_bytes == float("inf")
        with batch_fits(job.plan.batch_size):
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 10 bytes")

    monkeypatch.setattr(pretraining_plans, "pace_of", pace_of)
    with pytest.raises(TrainingError, match=r"out of memory at a batch of 8: set pretrain.batch_size=4, or a smaller pretrain.size"):
        given = asked(pictures, tmp_path / "pool", **{"pretrain.batch_size": 8})
        labelfree.pretrain("satellite_simclr", given, tmp_path / "run", say=Silent())


def test_halving_ends_with_the_sentence(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def pace_of(job: Any, most_bytes: float) -> Pace:
        tried.append(job.plan.batch_size)
        raise OutOfMemory("out of memory.")

    monkeypatch.setattr(pretraining_plans, "pace_of", pace_of)
    with pytest.raises(TrainingError, match="out of memory"):
        labelfree.pretrain("satellite_simclr", asked(pictures, tmp_path / "pool"), tmp_path / "run", say=Silent())
    assert tried == [10, 5, 2]


def test_what_is_kept_for_backward_is_counted_once() -> None:
    x, first, second = torch.randn(7, 100), nn.Linear(100, 50, bias=False), nn.Linear(50, 3, bias=False)
    floats = {"x": 700, "hidden": 350, "weight of the second": 150}
    assert kept_for_backward(lambda: second(first(x).relu()).sum()) == 4 * sum(floats.values())
