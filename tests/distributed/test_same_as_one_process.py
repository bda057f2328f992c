"""Several processes with shares of a batch learn what one process with the joint batch learns. Real processes, one group for all cases."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from labelfree.pretraining.health import FEWEST
from tests.distributed.cases import (
    CNN,
    LAYERS,
    PAIR_LOSSES,
    VIT,
    Trained,
    every_objective,
    exchange,
    held,
    normalise,
    train_drawing,
    train_objective,
    train_pairs,
)
from tests.distributed.group import Group
from tests.distributed.pretrainings import STEPS, asked_to_stop, no_number, pretrain, pretrain_flat, pretrain_with
from tests.pretraining.small import small_cnn

QUICK = ("dino", "simclr")
NETWORK = pytest.mark.parametrize("network", [CNN, VIT])


def assert_same(several: list[Trained], alone: Trained) -> None:
    """Equal losses, gradients and updates up to rounding; and among the processes exactly equal weights and buffers."""
    assert_close(torch.stack([one.losses for one in several]).mean(0), alone.losses, rtol=1e-4, atol=1e-4)
    assert several[0].gradients.keys() == alone.gradients.keys()
    steepest = largest(alone.gradients)
    for name, gradient in alone.gradients.items():  # some are zero but for rounding
        assert_close(several[0].gradients[name], gradient, rtol=1e-3, atol=2e-5 * steepest, msg=lambda m, name=name: f"{name}: {m}")
    moved = {name: change(before.float(), alone.after[name].float()) for name, before in alone.before.items()}
    weights = largest({name: moved[name] for name in alone.gradients})
    for name, after in alone.after.items():
        allowed = 2e-3 * max(float(moved[name].abs().max()), 0.01 * weights)
        assert_close(several[0].after[name], after, rtol=0, atol=allowed, msg=lambda m, name=name: f"{name}: {m}")
        assert all(torch.equal(one.after[name], several[0].after[name]) for one in several), f"{name} differs between processes"


def change(before: Tensor, after: Tensor) -> Tensor:
    """0 where both are alike, as the -inf of a text tower's causal mask are."""
    return torch.where(after == before, 0.0, after - before)


def largest(found: dict[str, Tensor]) -> float:
    return max(float(x.abs().max()) for x in found.values())


@NETWORK
@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in every_objective()])
def test_two_processes_learn_what_one_learns(name: str, network: str, two: Group) -> None:
    """The first takes ten seconds or more: two processes import torch."""
    assert_same(two.run(train_objective, name, network), train_objective(0, 1, name, network))


@pytest.mark.slow
@NETWORK
@pytest.mark.parametrize("name", every_objective())
def test_four_processes_learn_what_one_learns(name: str, network: str, four: Group) -> None:
    assert_same(four.run(train_objective, name, network), train_objective(0, 1, name, network))


@pytest.mark.slow
def test_hidden_tokens_that_each_process_draws_are_those_of_one(two: Group) -> None:
    assert_same(two.run(train_drawing, 2), train_drawing(0, 1, 2))


@pytest.mark.parametrize("held", [2**22, 16], ids=["whole", "in blocks"])
@pytest.mark.parametrize("name", PAIR_LOSSES)
def test_two_processes_learn_pairs_as_one_does(name: str, held: int, two: Group) -> None:
    assert_same(two.run(train_pairs, name, held), train_pairs(0, 1, name, held))


@pytest.mark.slow
@pytest.mark.parametrize("name", PAIR_LOSSES)
def test_four_processes_learn_pairs_as_one_does(name: str, four: Group) -> None:
    assert_same(four.run(train_pairs, name, 16), train_pairs(0, 1, name, 16))


@pytest.mark.parametrize("kind", LAYERS)
def test_batchnorm_normalises_over_the_joint_batch(kind: str, two: Group) -> None:
    found, expected = two.run(normalise, kind), normalise(0, 1, kind)
    for name, value in expected.items():
        of_rows = name.startswith(("out", "gradient"))
        for rank, here in enumerate(found):
            assert_close(here[name], value.chunk(2)[rank] if of_rows else value, rtol=1e-4, atol=2e-4)


def test_ranks_exchange_what_they_say(two: Group) -> None:
    found = two.run(exchange)
    rows = [torch.arange(12.0).view(2, 3, 2) + 100 * rank for rank in range(2)]
    for rank, here in enumerate(found):
        assert_close(here["gather"], torch.cat(rows, dim=1))
        assert_close(here["constant"], torch.cat(rows, dim=1))
        assert_close(here["gradient"], torch.full((2, 3, 2), 3.0))  # 1 from the first process's loss, 2 from the second's
        assert_close(here["sum"], torch.tensor([100.0, 102.0]))
        assert_close(here["mean"], torch.tensor([50.0, 51.0]))
        assert not here["itself"].any() and not here["partner"].any(), rank


def test_a_pretraining_on_two_processes_gives_the_backbone_of_one(two: Group, tmp_path: Path) -> None:
    """With a head-only start, clipped gradients and trained BatchNorm; the second of two processes writes nothing."""
    found, alone = two.run(pretrain, tmp_path / "two"), pretrain(0, 1, tmp_path / "one")
    begun = held(small_cnn())
    for name, value in alone.items():
        assert torch.equal(found[0][name], found[1][name])
        moved = float((value - begun[name]).abs().max())
        assert_close(found[0][name], value, rtol=1e-4, atol=max(5e-3 * moved, 1e-6), msg=lambda m, name=name: f"{name}: {m}")
    assert files(tmp_path / "two") == files(tmp_path / "one")


def files(folder: Path) -> list[str]:
    return sorted("events" if "tfevents" in file.name else file.name for file in folder.rglob("*") if file.is_file())


def test_a_loss_that_is_no_number_on_one_process_stops_all_with_its_images(two: Group, tmp_path: Path) -> None:
    (first, _), (second, _) = two.run(pretrain_with, tmp_path, no_number)
    assert first == second and first.startswith("TrainingError: the loss is nan on the batch of ")


def test_a_collapse_stops_all_processes_with_one_sentence(two: Group, tmp_path: Path) -> None:
    for _ in range(2):  # and again when it is resumed
        (first, saved), (second, _) = two.run(pretrain_flat, tmp_path)
        assert first == second and first.startswith("TrainingError: domain, seed 0, step 7: collapse: std was 0, 0 and 0") and saved == 8


def test_a_handful_of_images_a_process_says_nothing_of_collapse(two: Group, tmp_path: Path) -> None:
    assert two.run(pretrain_flat, tmp_path, 2 * FEWEST - 2) == [("", 20)] * 2


def test_a_stop_asked_of_one_process_stops_all_and_is_resumed_bit_for_bit(two: Group, tmp_path: Path) -> None:
    stopped = two.run(pretrain_with, tmp_path / "broken", asked_to_stop)
    assert stopped == [(f"Interrupted: stopped at step 3 of {STEPS} of domain; it is saved.", 3)] * 2
    resumed, unbroken = two.run(pretrain, tmp_path / "broken"), two.run(pretrain, tmp_path / "unbroken")
    for rank in range(2):
        assert all(torch.equal(resumed[rank][name], value) for name, value in unbroken[rank].items())
    rows = [(tmp_path / name / "metrics.csv").read_text() for name in ("broken", "unbroken")]
    assert rows[0] == rows[1]
