"""Momentum encoders follow hand-computed sequences."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from labelfree.backbones import build
from labelfree.objectives.base import Situation
from labelfree.objectives.momentum import cosine, first_momentum, momentum_copy, move_statistics, move_towards


def test_the_average_follows_the_hand_computed_sequence() -> None:
    fast = nn.Linear(1, 1, bias=False)
    fast.weight.data.fill_(1.0)
    slow = momentum_copy(fast)
    slow.weight.data.fill_(0.0)
    seen = []
    for momentum in (0.5, 0.9, 1.0):
        move_towards(slow, fast, momentum)
        seen.append(round(float(slow.weight), 6))
    assert seen == [0.5, 0.55, 0.55]
    assert not slow.weight.requires_grad


def test_statistics_are_averaged_where_asked_and_only_there() -> None:
    fast, slow = nn.BatchNorm1d(1), nn.BatchNorm1d(1)
    fast.running_mean.fill_(1.0)
    fast.num_batches_tracked.fill_(7)
    move_towards(slow, fast, 0.5)
    assert float(slow.running_mean) == 0.0
    seen = []
    for _ in range(2):
        move_statistics(slow, fast, 0.5)
        seen.append(float(slow.running_mean))
    assert seen == [0.5, 0.75] and int(slow.num_batches_tracked) == 7


@pytest.mark.parametrize(
    "name, options",
    [
        ("resnet10t", {"drop_path_rate": 0.5, "drop_rate": 0.5}),
        (
            "vit_tiny_patch16_224",
            {"embed_dim": 32, "depth": 2, "num_heads": 2, "patch_size": 8, "img_size": 32}
            | dict.fromkeys(("drop_rate", "proj_drop_rate", "attn_drop_rate", "drop_path_rate"), 0.5),
        ),
    ],
)
def test_a_slow_copy_drops_nothing(name: str, options: dict) -> None:
    """Its answers are targets: noise in them is noise in the loss. BatchNorm stays in training mode."""
    fast = build(name, 3, options=options).train()
    slow = momentum_copy(fast).train()
    x = torch.randn(4, 3, 32, 32)
    assert_close(slow.embed(x), slow.embed(x))
    assert not torch.equal(fast.embed(x), fast.embed(x))


def test_cosine_ends_where_it_says() -> None:
    assert [round(cosine(0.99, 1.0, at), 6) for at in (0.0, 0.5, 1.0)] == [0.99, 0.995, 1.0]


@pytest.mark.parametrize(("steps", "momentum"), [(10, 0.9), (250, 0.9), (500, 0.95), (2_500, 0.99), (100_000, 0.996)])
def test_the_first_momentum_follows_the_number_of_steps(steps: int, momentum: float) -> None:
    assert first_momentum(Situation(images=1_000, batch_size=64, steps=steps)).value == momentum
    assert first_momentum(Situation(images=1_000, batch_size=64, steps=steps, continues=True)).value == max(momentum, 0.99)


def test_momentum_copy_is_a_copy() -> None:
    fast = nn.Linear(2, 2)
    slow = momentum_copy(fast)
    fast.weight.data.zero_()
    assert torch.any(slow.weight != 0)
