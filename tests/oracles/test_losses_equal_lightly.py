"""Our losses equal lightly's, an independent implementation, in value and gradient."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from labelfree.objectives.prototypes import cross_view_loss as dino_loss
from labelfree.objectives.simclr import nt_xent

lightly = pytest.importorskip("lightly.loss")


def value_and_gradients(loss, *inputs: Tensor) -> tuple[Tensor, ...]:
    leaves = [x.clone().requires_grad_() for x in inputs]
    value = loss(*leaves)
    return value.detach(), *torch.autograd.grad(value, leaves)


@settings(deadline=None, max_examples=25)
@given(n=st.integers(2, 17), d=st.integers(2, 33), temperature=st.floats(0.05, 1.0), seed=st.integers(0, 2**31))
def test_nt_xent(n: int, d: int, temperature: float, seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    first, second = torch.randn(2, n, d, generator=draw)
    ours = value_and_gradients(lambda a, b: nt_xent(a, b, temperature), first, second)
    theirs = value_and_gradients(lightly.NTXentLoss(temperature=temperature), first, second)
    assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@settings(deadline=None, max_examples=25)
@given(batch=st.integers(1, 9), k=st.integers(2, 40), local=st.integers(0, 5), seed=st.integers(0, 2**31))
def test_dino_with_centring(batch: int, k: int, local: int, seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    teacher = torch.randn(2 * batch, k, generator=draw)
    student = torch.randn((2 + local) * batch, k, generator=draw)
    centre = 0.3 * torch.randn(k, generator=draw)
    oracle = lightly.DINOLoss(output_dim=k, teacher_temp=0.04, warmup_teacher_temp=0.04, student_temp=0.1)
    oracle.center.copy_(centre.view(1, 1, -1))

    def theirs(x: Tensor) -> Tensor:
        return oracle(list(teacher.chunk(2)), list(x.chunk(2 + local)), epoch=100)

    def ours(x: Tensor) -> Tensor:
        return dino_loss(x, ((teacher - centre) / 0.04).softmax(-1), 0.1)

    assert_close(value_and_gradients(ours, student), value_and_gradients(theirs, student), rtol=1e-4, atol=1e-6)
