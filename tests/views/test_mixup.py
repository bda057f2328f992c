"""MixUp and CutMix: images and targets are mixed by one and the same share."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from labelfree.errors import DataError
from labelfree.views import CutMix, MixUp
from labelfree.views.mixup import Mix
from tests.views.ops import name, seeded

OPS = [MixUp(), CutMix()]
SHAPES = st.sampled_from([(8, 8), (15, 9), (6, 8, 10)])


@pytest.mark.parametrize("op", OPS, ids=name)
@given(seed=st.integers(0, 2**31), shape=SHAPES)
def test_targets_say_how_much_of_each_class_is_in_the_image(op: Mix, seed: int, shape: tuple[int, ...]) -> None:
    """An image of class k is filled with k's one-hot colour: then its mean colour is its target."""
    y = F.one_hot(torch.arange(5), 5).float()
    x = y.view(5, 5, *(1,) * len(shape)).expand(5, 5, *shape).contiguous()
    params = op.draw(5, seeded(seed))
    assert_close(op.apply(x, params).flatten(2).mean(2), op.targets(y, params, shape), rtol=0, atol=1e-5)


def test_shares_follow_beta() -> None:
    share = MixUp(0.4).draw(20_000, seeded(0)).share
    assert float(share.mean()) == pytest.approx(0.5, abs=0.01)
    assert float(share.var()) == pytest.approx(0.25 / 1.8, rel=0.03)  # ab / ((a + b)^2 (a + b + 1))
    assert float((MixUp(p=0.25).draw(20_000, seeded(0)).share > 0).float().mean()) == pytest.approx(0.25, abs=0.01)


def test_cutmix_pastes_masks_with_their_images() -> None:
    mask = torch.arange(4).view(4, 1, 1, 1).expand(4, 1, 12, 12)
    params = CutMix().draw(4, seeded(3))
    pasted = CutMix().apply(mask, params)
    assert pasted.dtype == torch.int64 and torch.equal(pasted, CutMix().apply(mask.float(), params).long())


@pytest.mark.parametrize("op", OPS, ids=name)
def test_class_numbers_are_refused_with_a_sentence(op: Mix) -> None:
    with pytest.raises(DataError, match=rf"^{name(op)}: targets of shape \(4,\) are not \(images, classes\); make them one-hot first\.$"):
        op.targets(torch.arange(4), op.draw(4, seeded(0)), (8, 8))
