"""Labels that the objective makes itself: in what order views come and what a token is asked, against losses written out."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from labelfree.objectives.cutpaste import CutPaste, where_altered, which_kind
from labelfree.pretraining.module import PretrainingModule
from tests.objectives.small import cnn, views, vit
from tests.pretraining.small import small_job


def test_kinds_are_told_by_the_order_of_views() -> None:
    logits = torch.randn(12, 4, generator=torch.Generator().manual_seed(0))
    loss, right = which_kind(logits)
    expected = [-float(logits[row].log_softmax(0)[row // 3]) for row in range(12)]  # view-major: three images, four views
    assert_close(float(loss), float(np.mean(expected)), rtol=1e-5, atol=0)
    assert float(right) == pytest.approx(np.mean([int(logits[row].argmax()) == row // 3 for row in range(12)]))
    assert float(which_kind(30 * nn.functional.one_hot(torch.arange(4).repeat_interleave(3)).float())[0]) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("shape", "grid"), [((32, 32), (4, 4)), ((30, 21), (4, 3)), ((8, 16, 16), (2, 2, 4))])
def test_a_token_is_asked_for_its_share(shape: tuple[int, ...], grid: tuple[int, ...]) -> None:
    draw = torch.Generator().manual_seed(0)
    altered, logits = torch.rand(3, *shape, generator=draw) < 0.2, torch.randn(3, *grid, generator=draw)
    pool = {2: nn.functional.adaptive_avg_pool2d, 3: nn.functional.adaptive_avg_pool3d}[len(shape)]
    share = pool(altered[:, None].float(), grid)[:, 0]
    p = logits.sigmoid()
    expected = -(share * p.log() + (1 - share) * (1 - p).log()).mean()
    assert_close(where_altered(logits, altered), expected)
    sure = torch.where(share > 0.5, 1.0, 0.0)
    assert where_altered(40 * (sure - 0.5), sure.bool()) < 1e-6


@pytest.mark.parametrize("network", [cnn, vit], ids=["cnn", "vit"])
def test_where_is_not_asked_without_its_weight(network: object) -> None:
    silent = CutPaste(network(3), where=0.0, hidden=16)  # type: ignore[operator]
    assert silent.token is None and "where_loss" not in silent(views(silent)).logs
    asked = CutPaste(network(3), where=2.0, kinds=1, hidden=16)  # type: ignore[operator]
    step = asked(views(asked))
    assert asked.crops.globals == 2
    assert_close(step.loss.detach(), step.logs["kind_loss"] + 2 * step.logs["where_loss"])


def test_a_pretraining_asks_for_altered_views_and_where(tmp_path: Path) -> None:
    """The first view of a picture is as it is; the others are altered in part; a batch is a function of its step."""
    module = PretrainingModule(small_job(tmp_path, "cutpaste", {"hidden": 16}))
    given, _ = module.views_of(3)
    assert given.altered is not None and given.altered.shape == (4 * 32, 32, 32)
    share = given.altered.unflatten(0, (4, 32)).flatten(2).float().mean(2)
    assert not share[0].any() and (share[1:].mean(1) > 0.003).all() and share.max() < 0.5
    again, _ = module.views_of(3)
    assert torch.equal(given.globals, again.globals) and torch.equal(given.altered, again.altered)


def test_it_learns_to_tell_and_to_find() -> None:
    """Altered pixels of these views are brighter by far: after a few steps a small network tells the kinds by where they are."""
    torch.manual_seed(0)
    objective = CutPaste(vit(), hidden=32).train()
    optimiser = torch.optim.AdamW(objective.parameters(), lr=3e-3)
    batch = views(objective, batch=8)
    assert batch.altered is not None
    batch.globals[batch.altered[:, None].expand_as(batch.globals)] += 3
    for _ in range(25):
        optimiser.zero_grad()
        step = objective(batch)
        step.loss.backward()
        optimiser.step()
    assert step.logs["told_right"] > 0.9 and step.logs["kind_loss"] < 0.5 * math.log(4)
