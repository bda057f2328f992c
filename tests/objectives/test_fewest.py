"""Batches too small to learn from are refused by the objective itself; those that are not refused have a loss that teaches."""

from __future__ import annotations

import pytest
import torch

from labelfree.errors import RecipeError
from labelfree.objectives import Views
from labelfree.objectives.base import Situation
from labelfree.objectives.registry import check_situation, make_objective, objective_class, objective_names, objective_options, repeated
from tests.objectives.small import altered, said, taught
from tests.pretraining.small import small_cnn, tiny_vit


@pytest.mark.parametrize("name", objective_names())
def test_every_objective_says_what_it_needs(name: str) -> None:
    fewest = objective_class(name).fewest
    options = objective_options(name)
    check_situation(name, {**options, "queue": 4}, Situation(images=100, batch_size=fewest, steps=100))
    if fewest > 1:
        with pytest.raises(RecipeError, match=rf"^pretrain\.batch_size: \w+.*; take at least {fewest}\.$"):
            check_situation(name, options, Situation(images=100, batch_size=fewest - 1, steps=100))


@pytest.mark.parametrize("start", [tiny_vit, small_cnn])
@pytest.mark.parametrize("name", objective_names())
def test_the_fewest_images_have_a_gradient_that_depends_on_them(name: str, start) -> None:
    batch, losses = objective_class(name).fewest, []
    options = {key: value for key, value in {"hidden": 64, "queue": 8, "text": "tiny"}.items() if key in objective_options(name)}
    objective = make_objective(name, start(), options).train()
    for seed in range(3):
        draw = torch.Generator().manual_seed(seed)
        small = torch.randn(objective.crops.locals * batch, 3, 16, 16, generator=draw) if objective.crops.locals else None
        side = 32 if objective.crops.globals * batch > 1 else 64  # BatchNorm needs two values a channel at the last of its grids
        big = torch.randn(objective.crops.globals * batch, 3, side, side, generator=draw)
        extra = {"text": said(objective, batch), "taught": taught(objective, big), "altered": altered(objective, big)}
        step = objective(Views(big, small, rows=torch.arange(batch), **extra))
        step.loss.backward()
        losses.append(float(step.loss.detach()))
    gradient = torch.nn.utils.get_total_norm([p.grad for p in objective.backbone.parameters() if p.grad is not None])
    assert gradient > 1e-3 and len(set(losses)) == 3


def test_what_repeats_is_said() -> None:
    assert repeated("simclr", 12, 12) == ""
    told = repeated("simclr", 12, 64)
    assert "a batch of 64 is larger than the pool of 12" in told and "at least 52 of its images are repeats" in told
    assert "false negative" in told and "false negative" not in repeated("byol", 12, 64)
