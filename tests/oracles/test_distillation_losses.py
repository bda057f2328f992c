"""Losses without negatives, and MoCo's, equal lightly's, an independent implementation, in value and gradient."""

from __future__ import annotations

import lightly.loss as lightly
import torch
import torch.nn.functional as F
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from labelfree.objectives.byol import regression_loss
from labelfree.objectives.dino import centred
from labelfree.objectives.ibot import ibot_loss
from labelfree.objectives.koleo import koleo_loss
from labelfree.objectives.moco import moco_loss
from labelfree.objectives.prototypes import cross_view_loss, sinkhorn_knopp
from labelfree.objectives.simsiam import negative_cosine
from tests.objectives.small import small, views, vit
from tests.oracles.witness import value_and_gradients

SEEDS = st.integers(0, 2**31)


@given(n=st.integers(1, 17), d=st.integers(2, 33), queue=st.integers(2, 40), temperature=st.floats(0.05, 1.0), seed=SEEDS)
def test_moco_with_a_queue(n: int, d: int, queue: int, temperature: float, seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    query, key = torch.randn(2, n, d, generator=draw)
    negatives = F.normalize(torch.randn(queue, d, generator=draw), dim=-1)
    oracle = lightly.NTXentLoss(temperature=temperature, memory_bank_size=(queue, d))
    oracle.memory_bank.bank = negatives.clone()
    oracle.memory_bank.bank_ptr = torch.zeros(1, dtype=torch.long)
    ours = value_and_gradients(lambda q: moco_loss(q, F.normalize(key, dim=-1), negatives, temperature), query)
    theirs = value_and_gradients(lambda q: oracle(q, key), query)
    assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@given(n=st.integers(1, 17), d=st.integers(2, 33), seed=SEEDS)
def test_negative_cosine(n: int, d: int, seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    p, z = torch.randn(2, n, d, generator=draw)
    oracle = lightly.NegativeCosineSimilarity()
    assert_close(value_and_gradients(negative_cosine, p, z), value_and_gradients(oracle, p, z), rtol=1e-4, atol=1e-6)
    byol = value_and_gradients(regression_loss, p, z)
    assert_close(byol, value_and_gradients(lambda a, b: 2 + 2 * oracle(a, b), p, z), rtol=1e-4, atol=1e-6)


@given(batch=st.integers(1, 9), k=st.integers(2, 40), local=st.integers(0, 5), seed=SEEDS)
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
        return cross_view_loss(x, centred(teacher, centre, 0.04), 0.1)

    assert_close(value_and_gradients(ours, student), value_and_gradients(theirs, student), rtol=1e-4, atol=1e-6)


def test_dino_over_steps_with_the_centre_that_it_moves() -> None:
    """The objective's own forward passes and steps, its networks' logits handed to lightly's loss, which moves a centre of its own."""
    dino = small("dino", vit(), centre_momentum=0.9, student_temperature=0.1, teacher_temperature=0.04)
    oracle = lightly.DINOLoss(output_dim=32, teacher_temp=0.04, warmup_teacher_temp=0.04, student_temp=0.1, center_momentum=0.9)
    said: dict[str, list[Tensor]] = {"student": [], "teacher": []}
    dino.head.register_forward_hook(lambda _m, _i, out: said["student"].append(out.detach()))
    dino.teacher["head"].register_forward_hook(lambda _m, _i, out: said["teacher"].append(out))
    for step in range(3):
        batch = views(dino, seed=step)
        ours = dino(batch).loss
        student = torch.cat(said["student"])
        crops = len(student) // (len(batch.globals) // 2)
        theirs = oracle(list(torch.cat(said["teacher"]).chunk(2)), list(student.chunk(crops)), epoch=100)
        assert_close(ours.detach(), theirs, rtol=1e-4, atol=1e-6)
        dino.after_step((step + 1) / 3)
        assert_close(dino.centre, oracle.center.flatten(), rtol=1e-4, atol=1e-6)
        said["student"].clear()
        said["teacher"].clear()
    assert float(dino.centre.abs().max()) > 1e-3


@given(images=st.integers(1, 6), side=st.integers(1, 5), k=st.integers(2, 20), share=st.floats(0, 1), seed=SEEDS)
def test_ibot(images: int, side: int, k: int, share: float, seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    mask = torch.rand(images, side, side, generator=draw) < share
    teacher, student = torch.randn(2, int(mask.sum()), k, generator=draw)
    oracle = lightly.IBOTPatchLoss(output_dim=k, teacher_temp=0.04, student_temp=0.1)
    ours = value_and_gradients(lambda x: ibot_loss(x, (teacher / 0.04).softmax(-1), mask, 0.1), student)
    theirs = value_and_gradients(lambda x: oracle(teacher, x, mask), student)
    assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


@given(n=st.integers(2, 20), d=st.integers(2, 33), seed=SEEDS)
def test_koleo(n: int, d: int, seed: int) -> None:
    x = torch.randn(n, d, generator=torch.Generator().manual_seed(seed))
    assume(torch.pdist(F.normalize(x, dim=-1)).min() > 0.01)  # below, rounding of fp32 and our floor for duplicates show
    ours, theirs = value_and_gradients(koleo_loss, x), value_and_gradients(lightly.KoLeoLoss(), x)
    assert_close(ours, theirs, rtol=1e-3, atol=1e-5)


@given(n=st.integers(1, 30), k=st.integers(2, 20), temperature=st.floats(0.03, 1.0), iterations=st.integers(1, 5), seed=SEEDS)
def test_sinkhorn(n: int, k: int, temperature: float, iterations: int, seed: int) -> None:
    from lightly.loss.swav_loss import sinkhorn

    logits = torch.empty(n, k).uniform_(-1, 1, generator=torch.Generator().manual_seed(seed))
    ours = sinkhorn_knopp(logits, temperature, iterations=iterations)
    assert_close(ours, sinkhorn(logits, iterations=iterations, epsilon=temperature), rtol=1e-3, atol=1e-5)
