"""The loss of maps: weighted cross-entropy and soft Dice over the pixels that somebody knows."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from labelfree.domain import IGNORE
from labelfree.errors import DataError

LEAST_WEIGHT, MOST_WEIGHT = 0.2, 5.0  # of a class: a class of few pixels may not rule the loss


def segmentation_loss(logits: Tensor, masks: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy, each pixel weighted by its class, plus soft Dice; 0 where no pixel is known.

    `logits`: (B, K, *shape); `masks`: (B, *shape) int64, IGNORE where nobody knows; `weights`: (K,).
    """
    logits = logits.float()
    return cross_entropy(logits, masks, weights) + dice_loss(logits, masks)


def cross_entropy(logits: Tensor, masks: Tensor, weights: Tensor) -> Tensor:
    """The weighted mean over known pixels."""
    total = F.cross_entropy(logits, masks, weights, ignore_index=IGNORE, reduction="sum")
    return total / weights[masks[masks != IGNORE]].sum().clamp(min=torch.finfo(weights.dtype).tiny)


def dice_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """1 - soft Dice (Milletari et al. 2016, arXiv:1606.04797) over a whole batch, the mean over the classes that are in it."""
    known = (masks != IGNORE)[:, None]
    shares = logits.softmax(1) * known
    truth = F.one_hot(masks.clamp(min=0), logits.shape[1]).movedim(-1, 1) * known
    axes = [0, *range(2, logits.ndim)]
    shown = truth.sum(axes)
    dice = 2 * (shares * truth).sum(axes) / (shares.sum(axes) + shown).clamp(min=1e-7)
    there = shown > 0
    return ((1 - dice) * there).sum() / there.sum().clamp(min=1)


def class_weights(masks: Iterable[Tensor], classes: int) -> Tensor:
    """(K,) inverse square roots of how often each class is among the known pixels of `masks`, 1 for a class as frequent as the mean.

    A class of no pixels weighs 1: nothing is asked of it. Raises DataError where no pixel is known at all.
    """
    counts = sum((torch.bincount(one[one != IGNORE].flatten().cpu(), minlength=classes) for one in masks), torch.zeros(classes))
    if not counts.sum():
        raise DataError(
            "segmentation: no pixel of this budget's images is known, all are to be ignored; label more, or look at data.absent."
        )
    weights = (counts.sum() / classes / counts).sqrt().clamp(LEAST_WEIGHT, MOST_WEIGHT)
    return torch.where(counts > 0, weights, 1.0).float()
