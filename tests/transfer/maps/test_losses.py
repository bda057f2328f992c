"""The loss beside independent implementations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from segmentation_models_pytorch.losses import DiceLoss
from sklearn.metrics import log_loss
from torch.testing import assert_close

from labelfree.errors import DataError
from labelfree.transfer.maps.losses import class_weights, cross_entropy, dice_loss, segmentation_loss


def drawn(seed: int, shape: tuple[int, ...], classes: int, ignored: float) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    masks = torch.randint(0, classes, (3, *shape), generator=rng)
    masks[torch.rand(masks.shape, generator=rng) < ignored] = -1
    return 3 * torch.randn(3, classes, *shape, generator=rng), masks


cases = given(
    seed=st.integers(0, 2**31),
    shape=st.sampled_from([(7,), (5, 6), (3, 4, 2)]),
    classes=st.integers(2, 5),
    ignored=st.sampled_from([0.0, 0.3, 0.9]),
)


@cases
@settings(deadline=None, max_examples=50)
def test_dice_equals_that_of_the_library_for_the_classes_that_are_shown(seed, shape, classes, ignored):
    logits, masks = drawn(seed, shape, classes, ignored)
    shown = len(masks[masks >= 0].unique())
    ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    loss = dice_loss(ours, masks)
    other = DiceLoss("multiclass", ignore_index=-1)(theirs, masks) * classes / max(shown, 1)  # it averages over all classes
    assert_close(loss, other, rtol=1e-4, atol=1e-5)
    if shown:
        loss.backward(), other.backward()
        assert_close(ours.grad, theirs.grad, rtol=1e-3, atol=1e-5)


@cases
@settings(deadline=None, max_examples=50)
def test_cross_entropy_equals_scikit_learns(seed, shape, classes, ignored):
    logits, masks = drawn(seed, shape, classes, ignored)
    weights = torch.linspace(0.3, 2.0, classes)
    known = masks >= 0
    if not known.any():
        assert cross_entropy(logits, masks, weights) == 0
        return
    shares = logits.double().softmax(1).movedim(1, -1)[known].numpy()
    truth = masks[known].numpy()
    expected = log_loss(truth, shares, sample_weight=weights.numpy()[truth], labels=np.arange(classes))
    assert float(cross_entropy(logits, masks, weights)) == pytest.approx(expected, rel=1e-4)


@cases
@settings(deadline=None, max_examples=50)
def test_what_nobody_knows_never_matters(seed, shape, classes, ignored):
    logits, masks = drawn(seed, shape, classes, ignored)
    weights = torch.ones(classes)
    other = torch.where((masks == -1)[:, None], 50 * torch.randn_like(logits), logits)
    assert_close(segmentation_loss(other, masks, weights), segmentation_loss(logits, masks, weights))


def test_no_known_pixel_is_no_loss_and_no_gradient():
    logits = torch.randn(2, 3, 4, 4, requires_grad=True)
    loss = segmentation_loss(logits, torch.full((2, 4, 4), -1), torch.ones(3))
    loss.backward()
    assert loss == 0
    assert (logits.grad == 0).all()


def test_a_perfect_answer_costs_nothing():
    masks = torch.arange(4).repeat(2, 4, 1)
    logits = 100.0 * torch.nn.functional.one_hot(masks, 4).movedim(-1, 1)
    assert_close(segmentation_loss(logits, masks, torch.ones(4)), torch.tensor(0.0))


def test_rare_classes_weigh_by_the_root_of_their_rarity_within_bounds():
    masks = [torch.tensor([0] * 75 + [-1] * 50), torch.tensor([1] * 25)]
    assert_close(class_weights(masks, 2), torch.tensor([(50 / 75) ** 0.5, (50 / 25) ** 0.5]))
    rare = class_weights([torch.tensor([0] * 100_000 + [1])], 3)
    assert rare.tolist() == pytest.approx([(100_001 / 3 / 100_000) ** 0.5, 5.0, 1.0])


def test_a_budget_of_unknown_pixels_gets_a_sentence():
    with pytest.raises(DataError, match="no pixel of this budget's images is known"):
        class_weights([torch.full((2, 3, 3), -1)], 2)
