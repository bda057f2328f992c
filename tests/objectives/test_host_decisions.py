"""A whole step of every objective on a device that nobody can look at: what waits for the device fails there."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch

from labelfree.objectives import Views
from labelfree.objectives.registry import objective_names
from tests.objectives.small import altered, cnn, said, small, taught, vit
from tests.views.no_waiting import NoWaiting


@pytest.mark.parametrize("name", objective_names())
def test_no_objective_waits_for_the_device(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # meta knows none
    objective = small(name, vit() if name in {"dinov2", "moco_v3"} else cnn()).to("meta")
    crops = objective.crops
    big = torch.empty(crops.globals * 4, 3, 32, 32, device="meta")
    little = torch.empty(crops.locals * 4, 3, 16, 16, device="meta") if crops.locals else None
    optimiser = torch.optim.AdamW([p for p in objective.parameters() if p.requires_grad])
    text = None if (numbers := said(objective, 4)) is None else numbers.to("meta")
    batch = Views(big, little, text=text, rows=torch.arange(4), taught=taught(objective, big), altered=altered(objective, big))
    with NoWaiting():
        step = objective(batch)
        step.loss.backward()
        torch.nn.utils.clip_grad_norm_(objective.parameters(), 3.0)
        objective.before_step(0.5)
        optimiser.step()
        objective.after_step(0.5)
