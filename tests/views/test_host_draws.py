"""Views on a device that nobody can look at (torch's `meta`): whatever waits for the device, an `.item()`, fails there."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils._pytree import tree_leaves

from labelfree.views import PerChannel, ViewPipeline, photometric
from labelfree.views.pipeline import Augmentation
from tests.views import ops
from tests.views.no_waiting import NoWaiting


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> torch.device:
    """Pixel noise is drawn where the pixels are; meta tensors have no generator."""
    plain = photometric.seeded
    monkeypatch.setattr(photometric, "seeded", lambda seed, device="cpu": None if str(device) == "meta" else plain(seed, device))
    return torch.device("meta")


@pytest.mark.parametrize("op", ops.every(), ids=str)
def test_no_op_waits_for_the_device(op: Any, device: torch.device) -> None:
    x = torch.empty(16, 13, 32, 32, device=device)
    op = op.to(device)
    with NoWaiting():
        assert len(op(x, torch.Generator().manual_seed(0))) == 16


@pytest.mark.parametrize("op", ops.every(), ids=str)
def test_a_draw_is_the_hosts_whatever_the_device(op: Any) -> None:
    draw = op.draw(8, torch.Generator().manual_seed(3))
    values = tree_leaves(vars(draw)) if hasattr(draw, "__dict__") and not isinstance(draw, torch.Tensor) else tree_leaves(draw)
    assert all(value.device.type == "cpu" for value in values if isinstance(value, torch.Tensor))


@pytest.mark.parametrize("masked", [False, True])
def test_two_views_and_small_ones_wait_for_nothing(device: torch.device, masked: bool) -> None:
    pipeline = ViewPipeline(
        Augmentation(physics=ops.photometric(), geometry=ops.geometric()[1:], late=ops.late()),
        PerChannel([0.0] * 13, [1.0] * 13),
        [1.0] * 13,
        [0.0] * 13,
    ).to(device)
    stored = torch.empty(16, 13, 64, 64, dtype=torch.uint8, device=device)
    mask = torch.empty(16, 64, 64, dtype=torch.bool, device=device) if masked else None
    draws = torch.Generator().manual_seed(1)
    with NoWaiting():
        assert pipeline.many(stored, 2, 32, (0.05, 1.0), draws, 0.3, measured=(mask, None)).shape == (32, 13, 32, 32)
        assert pipeline.many(stored, 4, 16, (0.05, 0.2), draws, measured=(mask, mask)).shape == (64, 13, 16, 16)


@pytest.mark.parametrize(
    "waits",
    [
        lambda x: x.nonzero(),
        lambda x: x.sum().item(),
        lambda x: x[x > 0],
        lambda x: torch.ones(2).to(x.device),
        lambda x: x[torch.arange(2)],
    ],
    ids=["nonzero", "item", "where", "copy", "host index"],
)
def test_the_witness_sees_who_waits(waits: Any) -> None:
    with NoWaiting(), pytest.raises((NotImplementedError, RuntimeError, AssertionError)):
        waits(torch.empty(4, device="meta"))
