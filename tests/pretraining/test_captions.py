"""Captions in a pretraining: which is drawn, what is cut, which are the same, and a tower that stands still."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from labelfree.language.tokens import BytePairs
from labelfree.objectives.image_text import same_captions
from labelfree.pretraining.captions import Captions
from labelfree.pretraining.fit import fit_both
from labelfree.pretraining.module import PretrainingModule
from labelfree.progress import Silent
from tests.pretraining.small import metrics, small_captions, small_cnn, small_job

SAID = [("a field", "a road", "a field and a road"), (), ("a field",), ("many " * 100,)]


def test_one_caption_of_each_is_drawn_by_step_and_rank() -> None:
    captions, pairs = Captions.of(SAID, BytePairs()), BytePairs()
    assert (captions.cut.sum(), (captions.count > 0).sum(), len(captions.numbers)) == (1, 3, 5)
    entries = np.array([0, 2, 0])
    drawn = [captions.draw(entries, 7, step, 0) for step in range(60)]
    assert all(torch.equal(one, captions.draw(entries, 7, step, 0)) for step, one in enumerate(drawn))
    assert any(not torch.equal(one, captions.draw(entries, 7, step, 1)) for step, one in enumerate(drawn))
    seen = {tuple(row[row != 0].tolist()) for one in drawn for row in one[[0, 2]]}
    assert seen == {tuple(row[row != 0].tolist()) for row in pairs(SAID[0]).numbers}
    assert all(tuple(one[1][one[1] != 0].tolist()) == tuple(pairs(SAID[2]).numbers[0][:4].tolist()) for one in drawn)


def test_a_digest_is_of_what_is_said_of_which_entry() -> None:
    digests = {Captions.of(said, BytePairs()).digest for said in (SAID, SAID[::-1], [*SAID[:3], ("another",)])}
    assert len(digests) == 3 and Captions.of(list(SAID), BytePairs()).digest in digests


def test_equal_captions_are_told_whatever_follows_them() -> None:
    numbers = BytePairs()(["a field", "a road", "a field", "a field and a road"]).numbers
    one, two, again, longer = same_captions(numbers, 0).tolist()
    assert one == again and len({one, two, longer}) == 3
    assert same_captions(numbers[:, :8], 0).tolist() == [one, two, again, longer]


@pytest.mark.parametrize("objective", [pytest.param("clip", marks=pytest.mark.slow), pytest.param("siglip", marks=pytest.mark.slow)])
def test_pairs_are_learnt(objective: str, tmp_path: Path) -> None:
    """The captions tell how coarse a picture is, and which one it is: after sixty steps images lie nearer to their own captions."""
    options = {"out": 32, "text": "tiny", **({"bias": -3.5} if objective == "siglip" else {})}
    job = small_job(tmp_path, objective, options, steps=60, warmup=10, lr=5e-4, start=small_cnn)
    backbone, side = fit_both(job, Silent())
    assert side is not None and float(side.scale) != 1.0 and (float(side.bias) < 0) is (objective == "siglip")
    logs = metrics(tmp_path)
    assert logs[59]["pair_separation"] > 0.05 > logs[1]["pair_separation"] and logs[59]["loss"] < logs[1]["loss"]
    assert not backbone.training and not any(p.requires_grad for p in side.parameters())


def test_a_locked_tower_stands_still_and_a_slow_one_is_slow(tmp_path: Path) -> None:
    locked = small_job(tmp_path / "locked", "clip", {"out": 32, "text": "tiny", "image_rate": 0.0}, steps=3)
    before = locked.start().state_dict()
    after, side = fit_both(locked, Silent())
    assert side is not None and all(torch.equal(tensor, before[name]) for name, tensor in after.state_dict().items())
    slow = PretrainingModule(small_job(tmp_path / "slow", "clip", {"out": 32, "text": "tiny", "image_rate": 0.1}))
    optimiser = slow.configure_optimizers()
    slow.set_rates(optimiser, 5)
    rates = {group["part"]: group["lr"] for group in optimiser.param_groups}
    assert rates["backbone"] == pytest.approx(0.1 * rates["head"])


def test_captions_reach_the_objective(tmp_path: Path) -> None:
    job = replace(small_job(tmp_path, "clip"), captions=small_captions(256))
    views, rows = PretrainingModule(job).views_of(4)
    assert views.text is not None and torch.equal(views.text, job.captions.draw(rows, job.plan.source, 4, 0))
    assert views.globals.shape[0] == len(rows) == len(views.text)
