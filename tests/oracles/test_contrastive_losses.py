"""Our contrastive losses equal lightly's and open_clip's, independent implementations, in value and gradient; in blocks too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import lightly.loss as lightly
import open_clip.loss as open_clip
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from labelfree.objectives import blockwise
from labelfree.objectives.clip import clip_loss
from labelfree.objectives.moco_v3 import ctr
from labelfree.objectives.siglip import siglip_loss
from labelfree.objectives.simclr import nt_xent
from tests.oracles.witness import value_and_gradients

# Held similarities, of which there are 4 to 1156: whole matrices, or blocks of one or a few rows that need not divide N.
batches = given(
    n=st.integers(2, 17), d=st.integers(2, 33), held=st.sampled_from([1, 60, 2**22]), seed=st.integers(0, 2**31), data=st.data()
)


def equal(ours: Callable[..., Tensor], theirs: Callable[..., Tensor], held: int, *inputs: Tensor) -> None:
    with patch.object(blockwise, "HELD", held):
        found = value_and_gradients(ours, *inputs)
    assert_close(found, value_and_gradients(theirs, *inputs), rtol=1e-4, atol=2e-5)


def two(n: int, d: int, seed: int) -> Tensor:
    return torch.randn(2, n, d, generator=torch.Generator().manual_seed(seed))


def unit(x: Tensor) -> Tensor:
    return F.normalize(x, dim=-1)


@settings(max_examples=40)
@batches
def test_nt_xent(n: int, d: int, held: int, seed: int, data: Any) -> None:
    temperature = data.draw(st.floats(0.05, 1.0))
    theirs = lightly.NTXentLoss(temperature=temperature)
    equal(lambda a, b: nt_xent(a, b, temperature), theirs, held, *two(n, d, seed))


@settings(max_examples=40)
@batches
def test_moco_v3(n: int, d: int, held: int, seed: int, data: Any) -> None:
    """Queries against keys without gradient: lightly has no such loss, so the witness is one direction of open_clip's, by hand."""
    temperature = data.draw(st.floats(0.05, 1.0))
    queries, keys = two(n, d, seed)

    def theirs(x: Tensor) -> Tensor:
        logits, _ = open_clip.ClipLoss().get_logits(unit(x), unit(keys), 1 / temperature)
        return 2 * temperature * F.cross_entropy(logits, torch.arange(n))

    equal(lambda x: ctr(x, keys, temperature), theirs, held, queries)


@settings(max_examples=40)
@batches
def test_clip(n: int, d: int, held: int, seed: int, data: Any) -> None:
    scale = torch.tensor(data.draw(st.floats(1.0, 100.0)))
    oracle = open_clip.ClipLoss()
    equal(clip_loss, lambda a, b, s: oracle(unit(a), unit(b), s), held, *two(n, d, seed), scale)


@settings(max_examples=40)
@batches
def test_siglip(n: int, d: int, held: int, seed: int, data: Any) -> None:
    scale, bias = torch.tensor(data.draw(st.floats(1.0, 100.0))), torch.tensor(data.draw(st.floats(-12.0, 2.0)))
    oracle = open_clip.SigLipLoss()
    equal(siglip_loss, lambda a, b, s, t: oracle(unit(a), unit(b), s, t), held, *two(n, d, seed), scale, bias)


@settings(max_examples=40)
@batches
def test_duplicate_captions_are_left_out_of_clip(n: int, d: int, held: int, seed: int, data: Any) -> None:
    """The witness takes the columns away row by row, where ours masks them."""
    ids = torch.tensor(data.draw(st.lists(st.integers(0, 4), min_size=n, max_size=n)))

    def theirs(images: Tensor, texts: Tensor, scale: Tensor) -> Tensor:
        logits = scale * unit(images) @ unit(texts).T
        return (sum(of_row(logits, i) + of_row(logits.T, i) for i in range(n)) / (2 * n)).squeeze()

    def of_row(logits: Tensor, i: int) -> Tensor:
        kept = [j for j in range(n) if j == i or ids[j] != ids[i]]
        return F.cross_entropy(logits[i, kept], torch.tensor(kept.index(i)))

    equal(lambda a, b, s: clip_loss(a, b, s, ids), theirs, held, *two(n, d, seed), torch.tensor(14.0))


@settings(max_examples=40)
@batches
def test_duplicate_captions_are_left_out_of_siglip(n: int, d: int, held: int, seed: int, data: Any) -> None:
    ids = torch.tensor(data.draw(st.lists(st.integers(0, 4), min_size=n, max_size=n)))

    def theirs(images: Tensor, texts: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
        logits = scale * unit(images) @ unit(texts).T + bias
        kept = [(i, j) for i in range(n) for j in range(n) if i == j or ids[i] != ids[j]]
        return -sum(F.logsigmoid(logits[i, j] if i == j else -logits[i, j]) for i, j in kept) / n

    equal(lambda a, b, s, t: siglip_loss(a, b, s, t, ids), theirs, held, *two(n, d, seed), torch.tensor(10.0), torch.tensor(-10.0))
