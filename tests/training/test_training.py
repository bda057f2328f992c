"""Randomness, schedules, LARS, whole files: the small parts that exact resume stands on."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from labelfree.errors import TrainingError
from labelfree.training.files import call_with, read_json, write_json, write_text
from labelfree.training.lars import LARS
from labelfree.training.optimisers import parameter_groups
from labelfree.training.randomness import batch_rows, generator, mixed
from labelfree.training.schedules import warm_cosine


@given(count=st.integers(1, 60), batch=st.integers(1, 20), seed=st.integers(0, 99))
def test_every_pass_sees_every_sample_once(count: int, batch: int, seed: int) -> None:
    steps = -(-count // batch)
    seen = np.concatenate([batch_rows(count, batch, step, seed) for step in range(steps)])[:count]
    assert sorted(seen) == list(range(count))


@given(step=st.integers(0, 50), world=st.sampled_from([1, 2, 4]))
def test_the_joint_batch_does_not_depend_on_the_number_of_ranks(step: int, world: int) -> None:
    parts = [batch_rows(37, 8 // world, step, 3, rank, world) for rank in range(world)]
    assert np.concatenate(parts).tolist() == batch_rows(37, 8, step, 3).tolist()


def test_generators_depend_on_every_key_and_on_nothing_else() -> None:
    draws = {tuple(torch.rand(2, generator=generator("views", *keys)).tolist()) for keys in ((0, 0, 0), (0, 1, 0), (0, 0, 1), (1, 0, 0))}
    assert len(draws) == 4
    assert mixed("a", 1) == mixed("a", 1) != mixed("a1")


def test_warm_cosine_by_hand() -> None:
    assert warm_cosine(0, 100, 10) == pytest.approx(0.1)
    assert warm_cosine(4, 100, 10, start=5) == 0.0
    assert warm_cosine(5, 100, 1, start=5) == pytest.approx(0.5 * (1 + np.cos(np.pi * 0.05)))
    assert warm_cosine(100, 100, 10) == pytest.approx(0.0, abs=1e-12)


def test_lars_by_hand() -> None:
    """One weight of norm 5, gradient of norm 1, trust 0.1: the local rate is 0.5; the second step adds half of the first."""
    weight = torch.nn.Parameter(torch.tensor([[3.0, 4.0]]))
    optimiser = LARS([weight], lr=1.0, momentum=0.5, weight_decay=1e-12, trust=0.1)
    weight.grad = torch.tensor([[1.0, 0.0]])
    optimiser.step()
    assert weight.tolist()[0] == pytest.approx([2.5, 4.0])
    weight.grad = torch.tensor([[0.0, 1.0]])
    optimiser.step()
    assert weight.tolist()[0] == pytest.approx([2.25, 4.0 - 0.1 * (2.5**2 + 4.0**2) ** 0.5])


def test_lars_does_not_scale_biases() -> None:
    bias = torch.nn.Parameter(torch.tensor([100.0]))
    optimiser = LARS([{"params": [bias], "scaled": False}], lr=1.0, weight_decay=0.0, trust=1e-3)
    bias.grad = torch.tensor([1.0])
    optimiser.step()
    assert bias.item() == pytest.approx(99.0)


def test_lars_without_decay_scales_still() -> None:
    found = []
    for decay in (0.0, 1e-12):
        weight = torch.nn.Parameter(torch.tensor([[3.0, 4.0]]))
        optimiser = LARS([weight], lr=1.0, weight_decay=decay, trust=0.1)
        weight.grad = torch.tensor([[1.0, 0.0]])
        optimiser.step()
        found.append(weight.detach())
    assert_close(*found)


def test_no_decay_on_norms_and_biases() -> None:
    backbone = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    whole = torch.nn.ModuleDict({"backbone": backbone, "head": torch.nn.Linear(4, 2)})
    groups = parameter_groups(backbone, whole, 0.1)
    assert [(g["part"], g["weight_decay"], g["scaled"], len(g["params"])) for g in groups] == [
        ("backbone", 0.1, True, 1), ("backbone", 0.0, False, 3), ("head", 0.1, True, 1), ("head", 0.0, False, 1),
    ]  # fmt: skip


def test_a_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "a" / "state.json"
    write_json(file, {"step": 1})

    def breaks(part: Path) -> None:
        part.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(TrainingError, match="disk is full"):
        call_with(file, breaks)
    assert read_json(file) == {"step": 1}
    assert [p.name for p in file.parent.iterdir()] == ["state.json"]
    write_text(file, "x")
    assert file.read_text() == "x"
