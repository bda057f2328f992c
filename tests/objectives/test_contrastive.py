"""Contrastive losses: what is a negative, blocks against whole matrices, precision, every rank's columns, learned scales."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

from labelfree.objectives import blockwise
from labelfree.objectives.blockwise import CrossEntropy, Pairs, RowLoss, by_blocks
from labelfree.objectives.clip import CLIPLoss, clip_loss
from labelfree.objectives.distributed import ALONE, Ranks
from labelfree.objectives.info_nce import info_nce
from labelfree.objectives.moco_v3 import ctr
from labelfree.objectives.siglip import SigLIPLoss, Sigmoid, siglip_loss
from labelfree.objectives.simclr import nt_xent

N, WORLD = 12, 3
IDS = torch.arange(N * WORLD) % 7
BIAS = torch.tensor(-3.0)
Loss = Callable[[Tensor, Tensor, Ranks], Tensor]

LOSSES: dict[str, Loss] = {
    "simclr": lambda a, b, ranks: nt_xent(a, b, 0.2, ranks),
    "moco v3": lambda a, b, ranks: ctr(a, b, 0.2, ranks),
    "clip": lambda a, b, ranks: clip_loss(a, b, 10.0, None, ranks),
    "siglip": lambda a, b, ranks: siglip_loss(a, b, 10.0, BIAS, None, ranks),
    "clip with ids": lambda a, b, ranks: clip_loss(a, b, 10.0, _of(ranks, IDS), ranks),
    "siglip with ids": lambda a, b, ranks: siglip_loss(a, b, 10.0, BIAS, _of(ranks, IDS), ranks),
}
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())
whole_or_blocks = pytest.mark.parametrize("held", [2**22, 5 * N], ids=["whole", "blocks"])


def _of(ranks: Ranks, x: Tensor) -> Tensor:
    """This rank's share of the joint batch."""
    return x.chunk(WORLD)[ranks.rank] if ranks.world > 1 else x


@dataclass(frozen=True)
class Played(Ranks):
    """A rank of a joint batch that is all at hand: gathers (V, n, D) by finding it there, so that gradients reach the whole of it."""

    joint: tuple[Tensor, ...] = ()

    def gather(self, x: Tensor) -> Tensor:
        for whole in self.joint:
            views = whole.expand(len(x), *whole.shape[1:]) if len(whole) == 1 else whole
            if views.shape[2:] == x.shape[2:] and torch.equal(views[:, self.columns(x.shape[1])], x):
                return views
        raise AssertionError("what is gathered is no part of the joint batch")

    def gather_constant(self, x: Tensor) -> Tensor:
        return self.gather(x).detach()


def some(n: int = N * WORLD, d: int = 8) -> Tensor:
    return torch.randn(2, n, d, generator=torch.Generator().manual_seed(0))


def value_and_gradient(loss: Loss, x: Tensor, held: int) -> tuple[Tensor, Tensor]:
    leaf = x.clone().requires_grad_()
    with patch.object(blockwise, "HELD", held):
        value = loss(leaf[0], leaf[1], ALONE)
        value.backward()
    assert leaf.grad is not None
    return value.detach(), leaf.grad


@pytest.mark.parametrize("held", [2**22, 1], ids=["whole", "blocks"])
def test_a_view_is_not_its_own_negative(held: int) -> None:
    """With N = 1 there is no negative at all: the loss is exactly 0, not ln 2."""
    with patch.object(blockwise, "HELD", held):
        assert float(nt_xent(*some(1), 0.2)) == 0.0


@every_loss
@pytest.mark.parametrize("held", [1, 7 * N * WORLD, 20 * N * WORLD])
def test_blocks_equal_the_whole_matrix(loss: Loss, held: int) -> None:
    """Of 1, 7 or 20 rows (for SimCLR half as many), which do not divide 36."""
    assert_close(value_and_gradient(loss, some(), held), value_and_gradient(loss, some(), 2**22), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("row_loss", [CrossEntropy(), Sigmoid()])
def test_gradients_in_blocks_are_those_of_finite_differences(row_loss: RowLoss) -> None:
    draw = torch.Generator().manual_seed(1)
    rows, columns = (torch.randn(n, 3, generator=draw, dtype=torch.float64, requires_grad=True) for n in (5, 7))
    bias = torch.tensor(-0.5, dtype=torch.float64, requires_grad=True)
    pairs = Pairs(torch.tensor([6, 1, 0, 3, 2]), torch.tensor([0, 3, 4, 5, 6]), (torch.arange(5) % 2, torch.arange(7) % 3))
    with patch.object(blockwise, "HELD", 2 * 7):
        assert torch.autograd.gradcheck(lambda r, c, b: by_blocks(row_loss, r, c, pairs, b), (rows, columns, bias))


@whole_or_blocks
def test_keys_without_gradient_get_none(held: int) -> None:
    queries, keys = some()
    queries.requires_grad_()
    with patch.object(blockwise, "HELD", held):
        info_nce(queries, keys, torch.arange(len(queries)), 5.0).backward()
    assert queries.grad is not None and keys.grad is None


@every_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@whole_or_blocks
def test_losses_stay_fp32_under_autocast(loss: Loss, dtype: torch.dtype, held: int) -> None:
    """Embeddings in bf16 are rounded already; all that follows is in fp32. In blocks, that holds for a backward under autocast too."""
    plain = value_and_gradient(loss, some().to(dtype).float(), held)
    with torch.autocast("cpu", torch.bfloat16):
        value, gradient = value_and_gradient(loss, some().to(dtype), held)
    assert value.dtype == torch.float32 and gradient.dtype == dtype
    assert torch.equal(value, plain[0])
    if held < 2**22:
        assert_close(gradient, plain[1].to(dtype))


@every_loss
@whole_or_blocks
def test_the_mean_over_ranks_is_one_process_with_the_joint_batch(loss: Loss, held: int) -> None:
    """Losses and their gradients, as DDP averages them; each rank has a third of the rows."""
    one = value_and_gradient(loss, some(), held)
    joint = some().requires_grad_()
    with patch.object(blockwise, "HELD", held):
        parts = (joint, joint[1:], F.normalize(joint[1:], dim=-1), IDS[None])
        losses = []
        for rank in range(WORLD):
            ranks = Played(rank, WORLD, parts)
            mine = joint[:, ranks.columns(N)]
            losses.append(loss(mine[0], mine[1], ranks))
        torch.stack(losses).mean().backward()
    assert_close((torch.stack(losses).mean().detach(), joint.grad), one, rtol=1e-5, atol=1e-6)


class Largest(TorchDispatchMode):
    """How many elements the largest tensor has that is made within."""

    elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for x in made if isinstance(made, tuple | list) else (made,):
            if isinstance(x, Tensor):
                self.elements = max(self.elements, x.numel())
        return made


@every_loss
def test_a_large_matrix_of_similarities_is_never_made(loss: Loss) -> None:
    """Of 9 million, SimCLR's of 36 million, neither in forward nor in backward."""
    n = 3000
    x = some(n, 4).requires_grad_()
    with patch.dict(globals(), IDS=torch.arange(n) % 7), Largest() as largest:
        loss(x[0], x[1], ALONE).backward()
    assert largest.elements <= blockwise.HELD


def test_the_watch_over_large_tensors_sees_one() -> None:
    n = 3000
    x = some(n, 4).requires_grad_()
    with patch.object(blockwise, "HELD", n * n), Largest() as largest:
        info_nce(x[0], x[1], torch.arange(n), 5.0).backward()
    assert largest.elements == n * n


@whole_or_blocks
def test_the_worst_similarities_give_finite_losses_and_gradients(held: int) -> None:
    """Every pair is opposite, at the largest scale: exp of 200 overflows, of -200 underflows."""
    x = torch.eye(N).repeat(2, 1, 1)
    for loss in (lambda a, b, _: clip_loss(a, -b, 100.0), lambda a, b, _: siglip_loss(a, -b, 200.0, BIAS)):
        value, gradient = value_and_gradient(loss, x, held)
        assert value > 10 and gradient.isfinite().all()


def test_a_caption_that_says_the_same_is_no_negative() -> None:
    images = torch.eye(4)
    texts = images[[0, 0, 2, 3]]  # the second caption is the first one's text
    ids = torch.tensor([0, 0, 1, 2])
    own = clip_loss(images[[0, 0, 2, 3]], texts, 100.0, ids)
    assert float(own) < 1e-6 < 0.3 < float(clip_loss(images[[0, 0, 2, 3]], texts, 100.0))
    # SigLIP's own pairs are all right and no other counts: but for the ids, the copies would be two errors of 50 each.
    bias = torch.tensor(-50.0)
    assert float(siglip_loss(images[[0, 0, 2, 3]], texts, 100.0, bias, ids)) < 1e-6
    assert float(siglip_loss(images[[0, 0, 2, 3]], texts, 100.0, bias)) == pytest.approx(25.0)


def test_clips_scale_starts_at_the_papers_and_never_passes_100() -> None:
    clip = CLIPLoss()
    assert clip.log_scale.item() == pytest.approx(math.log(1 / 0.07))
    clip(*some()).backward()
    assert clip.log_scale.grad is not None and clip.log_scale.grad != 0
    clip.log_scale.data += 10
    clip.clamp_scale()
    assert clip.log_scale.exp().item() == pytest.approx(100.0)


def test_siglip_starts_at_the_papers_values_or_at_the_prior() -> None:
    siglip = SigLIPLoss()
    assert siglip.log_scale.item() == pytest.approx(math.log(10)) and siglip.bias.item() == -10.0
    siglip(*some()).backward()
    assert siglip.log_scale.grad is not None and siglip.bias.grad is not None and siglip.bias.grad < 0
    small = SigLIPLoss(bias=-math.log(64))
    assert small.bias.sigmoid().item() == pytest.approx(1 / 65)
    unrelated = some(64, 512)
    assert small(*unrelated).item() < siglip(*unrelated).item()
