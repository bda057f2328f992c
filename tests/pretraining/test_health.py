"""Monitors against their papers' formulas, what a stop for collapse leaves, and labels that are only watched."""

from __future__ import annotations

import itertools
import math
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import labelfree
from labelfree.backbones import build
from labelfree.errors import Interrupted, RecipeError, TrainingError
from labelfree.objectives import Objective
from labelfree.pipeline.pretraining_plans import watched_labels
from labelfree.pretraining import health
from labelfree.pretraining.fit import checkpoint_step, fit
from labelfree.pretraining.health import monitors, rankme
from labelfree.pretraining.label_monitor import LabelledImages, leave_one_out, undisturbed
from labelfree.progress import Silent
from tests.pretraining.small import Pictures, flatten, metrics, rows, showing, small_cnn, small_job

# Monitors


@pytest.mark.parametrize(("n", "d"), [(32, 100), (100, 32), (1, 5)])
def test_rankme_is_the_papers_formula(n: int, d: int) -> None:
    x = rows(n, d).relu()
    singular = torch.linalg.svdvals(x.double())
    p = singular / singular.sum() + 1e-7
    assert rankme(x) == pytest.approx(float(torch.exp(-(p * p.log()).sum())), rel=1e-4)
    assert rankme(x) <= min(n, d) + 1e-3


def test_rankme_counts_directions() -> None:
    assert rankme(torch.eye(7).repeat(3, 1)) == pytest.approx(7, rel=1e-3)
    assert rankme(torch.ones(10, 1) * rows(1, 20)) == pytest.approx(1, abs=1e-2)
    assert rankme(torch.zeros(10, 20)) == pytest.approx(1, abs=1e-2)


def test_alignment_and_uniformity_are_the_papers_formulas() -> None:
    first, second = rows(12, 6), rows(12, 6, 1)
    measured = monitors(torch.cat([first, second]))
    a, b = F.normalize(first, dim=1), F.normalize(second, dim=1)
    pairs = [float((a[i] - a[j]).norm() ** 2) for i in range(12) for j in range(i)]
    assert measured["alignment"] == pytest.approx(float((a - b).norm(dim=1).pow(2).mean()), rel=1e-4)
    assert measured["uniformity"] == pytest.approx(math.log(np.mean(np.exp(-2 * np.array(pairs)))), rel=1e-4)


def test_std_is_one_when_spread_and_zero_when_flat() -> None:
    assert monitors(rows(200, 16))["std"] == pytest.approx(1, abs=0.05)
    assert monitors(torch.ones(8, 16))["std"] == pytest.approx(0, abs=1e-6)


def test_two_networks_that_are_each_constant_are_flat() -> None:
    """MoCo's queries and keys come from two networks: their difference is no spread."""
    measured = monitors(torch.cat([rows(1, 16).expand(8, 16), rows(1, 16, 1).expand(8, 16)]))
    assert measured["std"] < health.FLAT["std"] and measured["rankme"] < health.FLAT["rankme"]


def test_a_batch_of_one_tells_nothing_of_a_spread() -> None:
    assert set(monitors(rows(2, 16))) == {"alignment"}
    assert set(monitors(rows(3, 16), views=1)) == {"uniformity", "std", "rankme"}


def test_duplicates_are_measured() -> None:
    assert all(math.isfinite(value) for value in monitors(rows(2, 16).repeat_interleave(8, 0)).values())


def test_a_check_looks_at_so_many_rows_however_large_the_batch() -> None:
    x = rows(2 * health.ROWS, 4)
    first = x.unflatten(0, (2, -1))[:, : health.ROWS // 2].flatten(0, 1)
    assert monitors(x) == monitors(first)


def test_monitors_stay_fp32_under_autocast() -> None:
    x = rows(32, 16)
    plain = monitors(x)
    with torch.autocast("cpu", torch.bfloat16):
        assert monitors(x) == plain


# Stops. Checks are at steps 1, 3, 5, ...; those from step 2 on count, so that the third is at step 7.


class Sayings(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, sentence: str) -> None:
        self.said.append(sentence)


def flat_and_interrupted(step: int) -> torch.Tensor:
    """Ctrl-C while step 6 is under way."""
    if step == 6:
        signal.raise_signal(signal.SIGINT)
    return torch.ones(64, 8)


def checkpoint(folder: Path) -> Path:
    return folder / "checkpoints" / "domain-0.ckpt"


def test_a_collapse_is_saved_and_stops_the_run_once_warm_up_is_over(tmp_path: Path) -> None:
    say = Sayings()
    with pytest.raises(TrainingError, match=r"domain, seed 0, step 7: collapse: std was .*resume .* pretrain\.on_collapse=warn`"):
        fit(small_job(tmp_path, harm=flatten), say)
    assert checkpoint_step(checkpoint(tmp_path)) == 8
    assert sorted(metrics(tmp_path)) == [1, 3, 5, 7]


def test_the_head_only_start_is_no_collapse(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="step 11: collapse"):
        fit(small_job(tmp_path, harm=flatten, head_only=4), Silent())


@pytest.mark.parametrize("batch", [1, 4])
def test_a_handful_of_images_says_nothing(batch: int, tmp_path: Path) -> None:
    options = {"hidden": 64, "prototypes": 32}
    fit(small_job(tmp_path, "dino", options, harm=showing(lambda step: torch.ones(2 * batch, 8)), batch_size=batch, steps=10), Silent())
    assert len(metrics(tmp_path)) == 5


# A loss that teaches nothing


@pytest.mark.parametrize("steps", [1, 2, 20])
@pytest.mark.parametrize("on_collapse", ["stop", "warn"])
def test_a_loss_without_gradient_is_never_exported(steps: int, on_collapse: str, tmp_path: Path) -> None:
    """SimCLR of one image, as if nobody had refused it; said again where the run is resumed."""
    for _ in range(2):
        with pytest.raises(TrainingError, match=r"nothing can be learnt: the gradient was 0 on .*No weights are exported"):
            fit(small_job(tmp_path, batch_size=1, steps=steps, on_collapse=on_collapse, warmup=1), Silent())


def test_a_constant_loss_is_never_exported_and_a_loss_that_moved_is(tmp_path: Path) -> None:
    def constant_from(first: int) -> Callable[[Objective], None]:
        def harm(objective: Objective) -> None:
            forward, steps = objective.forward, itertools.count()

            def flat(views: Any) -> Any:
                step = forward(views)
                return replace(step, loss=step.loss / step.loss.detach()) if next(steps) >= first else step

            objective.forward = flat  # type: ignore[method-assign]

        return harm

    with pytest.raises(TrainingError, match=r"step 5: nothing can be learnt: the loss was 1 on each of the first 3 checks"):
        fit(small_job(tmp_path / "constant", harm=constant_from(0)), Silent())
    fit(small_job(tmp_path / "moved", harm=constant_from(4)), Silent())


def test_a_collapse_may_be_looked_on(tmp_path: Path) -> None:
    say = Sayings()
    fit(small_job(tmp_path, harm=flatten, on_collapse="warn"), say)
    assert checkpoint_step(checkpoint(tmp_path)) == 20
    assert [sentence.startswith("domain, seed 0, step 7: collapse") for sentence in say.said] == [True]


def test_a_network_that_loses_its_directions_has_collapsed(tmp_path: Path) -> None:
    """Embeddings still vary, along two of the 32 directions that they had at the first check, which a resumed run remembers."""
    many, few = rows(64, 40), rows(64, 2) @ rows(2, 40)
    for interrupt in (True, False):

        def embedding(step: int, interrupt: bool = interrupt) -> torch.Tensor:
            if interrupt and step == 4:
                signal.raise_signal(signal.SIGINT)
            return many if interrupt and step < 2 else few

        error, said = (Interrupted, "saved") if interrupt else (TrainingError, "step 7: collapse: rankme_kept was 0.0")
        with pytest.raises(error, match=said):
            fit(small_job(tmp_path, harm=showing(embedding)), Silent())


def test_what_a_random_network_spreads_over_is_no_knowledge_to_lose(tmp_path: Path) -> None:
    many, few = rows(64, 40), rows(64, 4) @ rows(4, 40)
    fit(small_job(tmp_path, harm=showing(lambda step: many if step < 2 else few), continues=False), Silent())
    assert len(metrics(tmp_path)) == 10


def test_a_resumed_run_stops_where_an_unbroken_one_does(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        fit(small_job(tmp_path, harm=showing(flat_and_interrupted)), Silent())
    assert checkpoint_step(checkpoint(tmp_path)) == 7
    with pytest.raises(TrainingError, match="step 7: collapse"):
        fit(small_job(tmp_path, harm=flatten), Silent())


def test_a_stopped_run_says_it_again_and_goes_on_when_told_to(tmp_path: Path) -> None:
    with pytest.raises(TrainingError) as first:
        fit(small_job(tmp_path, harm=flatten), Silent())
    with pytest.raises(TrainingError) as again:
        fit(small_job(tmp_path), Silent())
    assert str(again.value) == str(first.value)
    assert checkpoint_step(checkpoint(tmp_path)) == 8  # not a step was taken
    fit(small_job(tmp_path, on_collapse="warn"), Silent())
    assert checkpoint_step(checkpoint(tmp_path)) == 20


def test_a_collapse_at_the_last_step_is_not_exported_later(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(TrainingError, match="step 7: collapse"):
            fit(small_job(tmp_path, harm=flatten, steps=8), Silent())


def test_the_command_resume_may_change_what_changes_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole run whose healthy spread counts as flat."""
    from PIL import Image

    for i, picture in enumerate(Pictures(24).stored):
        Image.fromarray(picture.permute(1, 2, 0).numpy()).save(tmp_path / f"{i}.png")
    monkeypatch.setitem(health.FLAT, "std", 9.0)
    out = tmp_path / "run"
    settings = {
        "data.root": tmp_path, "backbone.name": "test_resnet", "backbone.init": "random", "pretrain.minutes": None, "pretrain.steps": 8,
        "pretrain.batch_size": 8, "pretrain.check_every": 1, "pretrain.options": {"hidden": 32}, "evaluate.arms": ["random", "domain"],
        "evaluate.primary.arm": "domain", "evaluate.primary.against": "random", "pool.dir": tmp_path / "pool",
    }  # fmt: skip
    with pytest.raises(TrainingError, match="collapse: std was") as first:
        labelfree.pretrain("satellite_simclr", settings, out, say=Silent())
    with pytest.raises(TrainingError) as again:
        labelfree.resume(out, say=Silent())
    assert str(again.value) == str(first.value)
    with pytest.raises(RecipeError, match=r"only pretrain\.on_collapse may change"):
        labelfree.resume(out, ["pretrain.lr=0.1"], say=Silent())
    run = labelfree.resume(out, ["pretrain.on_collapse=warn"], say=Silent())
    assert run.weights is not None and checkpoint_step(checkpoint(out)) == 8


# Labels, watched


def test_leave_one_out_by_hand() -> None:
    """Two tight pairs of one class each, and a row of the first class that lies with the second."""
    at = torch.tensor([[1.0, 0.0], [1.0, 0.1], [-1.0, 0.0], [-1.0, 0.1], [-1.0, 0.05]])
    targets = torch.tensor([0, 0, 1, 1, 0])
    assert leave_one_out(at, targets, torch.arange(5)) == pytest.approx(2 / 5)  # each of the second class now has a wrong neighbour closest
    assert leave_one_out(at[:4], targets[:4], torch.arange(4)) == 1


def test_neighbours_of_ones_own_group_do_not_vote() -> None:
    at, targets = torch.tensor([[1.0, 0.0], [1.0, 0.1], [-1.0, 0.0], [-1.0, 0.1]]), torch.tensor([0, 0, 1, 1])
    assert leave_one_out(at, targets, torch.tensor([0, 0, 1, 1])) == 0
    assert leave_one_out(at, targets, torch.zeros(4, dtype=torch.long)) == 0  # nobody to ask


def test_a_network_is_left_as_it_was_found() -> None:
    network = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5), nn.BatchNorm1d(3))
    network[2].eval()
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    with undisturbed(network):
        assert not network(rows(4, 3)).requires_grad and not network[0].training
    assert [layer.training for layer in network] == [True, True, False] and network.training
    for name, buffer in network.named_buffers():
        assert torch.equal(buffer, before[name])


def labelled(n: int = 12) -> LabelledImages:
    pool: Any = Pictures(n, seed=1)
    return LabelledImages(pool, np.arange(n), pool.kinds.numpy(), np.arange(n), lambda stored, size, measured: (stored.float() - 128) / 50)


@pytest.mark.parametrize("objective", ["simclr", "dino"])
def test_watching_labels_changes_no_weight(objective: str, tmp_path: Path) -> None:
    options = {"hidden": 32, "prototypes": 16, "bottleneck": 8, "local_crops": 2} if objective == "dino" else None
    states = []
    for folder, watched in ((tmp_path / "with", labelled()), (tmp_path / "without", None)):
        fit(small_job(folder, objective, options, labelled=watched, start=small_cnn, steps=4), Silent())
        states.append(torch.load(checkpoint(folder), weights_only=True)["state_dict"])
    assert states[0].keys() == states[1].keys()
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name
    seen, unseen = metrics(tmp_path / "with"), metrics(tmp_path / "without")
    assert all(0 <= values.pop("train_knn") <= 1 for values in seen.values())
    assert seen == unseen  # and no other number


def test_images_of_several_sizes_are_watched() -> None:
    job, network = labelled(6), build("test_resnet", 3).train()
    behaviour = {"uniform": False, "__getitem__": lambda self, i: job.pool[i], "measured": lambda self, entries: None}
    ragged: Any = type("Ragged", (), behaviour)()
    assert replace(job, pool=ragged).accuracy(network, 32) == job.accuracy(network, 32)


def test_few_are_watched_and_always_the_same() -> None:
    many = replace(labelled(3), entries=np.arange(3000), targets=np.zeros(3000, int), groups=np.arange(3000))
    assert len(many.sample(0).entries) == 500
    assert np.array_equal(many.sample(0).entries, many.sample(0).entries)
    assert not np.array_equal(many.sample(0).entries, many.sample(1).entries)


def test_scored_rows_are_never_watched() -> None:
    codes, names = np.array([0, 1, 1, 0]), np.array(["a", "b", "c", "a"])
    task = SimpleNamespace(categorical=True)
    question = SimpleNamespace(task=task, train=np.array([1, 3]), stratum_codes=codes, group_names=names)
    inputs: Any = SimpleNamespace(images=Pictures(4), question=question)
    starts: Any = SimpleNamespace(reading=lambda: None)
    found = watched_labels(inputs, starts, seed=0)
    assert found is not None
    assert (found.entries.tolist(), found.targets.tolist(), found.groups.tolist()) == ([1, 3], [1, 0], [1, 0])
    assert watched_labels(SimpleNamespace(images=None, question=None), starts, seed=0) is None  # type: ignore[arg-type]
