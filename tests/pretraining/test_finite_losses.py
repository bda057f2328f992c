"""A loss that is no number stops a run with its images' names, wherever it lies, and before anything is saved."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from labelfree.errors import TrainingError
from labelfree.objectives import Objective, Step, Views
from labelfree.pretraining import health
from labelfree.pretraining.fit import checkpoint_path, checkpoint_step, fit
from labelfree.pretraining.health import TOGETHER, FiniteLosses
from labelfree.progress import Silent
from tests.pretraining.small import small_job


def named(rows: np.ndarray) -> list[str]:
    return [str(row) for row in rows]


def test_a_loss_that_is_no_number_names_its_images() -> None:
    losses = FiniteLosses(named)
    losses.note(torch.tensor(1.0), np.arange(3))
    with pytest.raises(TrainingError, match=r"the loss is nan on the batch of 0, 1, 2, 3, 4, 5, 6, 7 and 2 more; look at these images"):
        losses.note(torch.tensor(float("nan")), np.arange(10))


def test_a_loss_that_is_no_number_in_another_process_is_told_by_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "agreed", lambda flag: True)
    monkeypatch.setattr(health, "gathered", lambda told: [told, "the loss is inf on the batch of x."])
    with pytest.raises(TrainingError, match="the loss is inf on the batch of x"):
        FiniteLosses(named).note(torch.tensor(1.0), np.arange(1))


class OnADevice:
    """A loss that lies elsewhere: it can be kept, and is looked at only with others."""

    def __init__(self, value: float) -> None:
        self.value, self.device = torch.tensor(value), torch.device("cuda")

    def detach(self) -> OnADevice:
        return self

    def float(self) -> torch.Tensor:
        return self.value


def test_a_devices_losses_are_looked_at_together_and_the_first_that_is_no_number_is_told() -> None:
    losses = FiniteLosses(named)
    for step in range(TOGETHER - 1):
        losses.note(OnADevice(float("nan") if step >= 3 else 1.0), np.array([step]))  # type: ignore[arg-type]
    with pytest.raises(TrainingError, match="the loss is nan on the batch of 3;"):
        losses.note(OnADevice(1.0), np.array([99]))  # type: ignore[arg-type]
    losses.note(OnADevice(float("inf")), np.array([7]))  # type: ignore[arg-type]
    with pytest.raises(TrainingError, match="the loss is inf on the batch of 7;"):  # before a checkpoint or a check
        losses.require()
    losses.require()


def test_no_checkpoint_holds_what_a_loss_that_is_no_number_led_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Losses wait to be looked at, as on a GPU; the stop comes with a checkpoint or a check, which is not written."""
    monkeypatch.setattr(FiniteLosses, "note", lambda losses, loss, rows: losses.unseen.append((loss.detach(), rows)))

    def poison(objective: Objective) -> None:
        healthy, steps = objective.forward, itertools.count()

        def forward(views: Views) -> Step:
            step = healthy(views)
            return replace(step, loss=step.loss * (float("nan") if next(steps) == 5 else 1.0))

        objective.forward = forward  # type: ignore[method-assign]

    job = small_job(tmp_path, harm=poison, check_every=100, checkpoint_minutes=0.0)
    with pytest.raises(TrainingError, match="the loss is nan on the batch of"):
        fit(job, Silent())
    assert checkpoint_step(checkpoint_path(job)) == 5
