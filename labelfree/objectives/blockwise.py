"""Contrastive losses of a large batch, without ever holding all of its similarities.

Up to `HELD` similarities a loss is its paper's equation on the whole matrix, in the loss's own file. Beyond, blocks of rows pass through
one buffer here, and backward makes them again: memory grows with rows + columns, not with their product.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

HELD = 2**22  # similarities held at a time, 16 MiB; benchmarks/loss_memory.py measures it


def held_at_once(rows: Tensor, columns: Tensor) -> bool:
    """Whether all similarities of `rows` (N, D) and `columns` (M, D) may stand in memory together, so that the equation itself is taken."""
    return len(rows) * len(columns) <= HELD


@dataclass(frozen=True)
class Pairs:
    """What each of N rows is to the M columns: one is its positive, and some are no negatives.

    `partner`: (N,) column of each row's positive. `itself`: (N,) a column that is not compared with, SimCLR's own view. `ids` of rows (N,)
    and columns (M,): a column with the row's id is no negative.
    """

    partner: Tensor
    itself: Tensor | None = None
    ids: tuple[Tensor, Tensor] | None = None

    def of(self, rows: slice) -> Pairs:
        """Those of a block of rows."""
        return Pairs(
            self.partner[rows],
            None if self.itself is None else self.itself[rows],
            None if self.ids is None else (self.ids[0][rows], self.ids[1]),
        )

    def leave_out_(self, logits: Tensor) -> Tensor:
        """-inf, in place, where a row has neither its positive nor a negative."""
        if self.itself is not None:
            logits.scatter_(1, self.itself[:, None], float("-inf"))
        if self.ids is not None:
            mine, theirs = self.ids
            logits.masked_fill_((mine[:, None] == theirs).scatter_(1, self.partner[:, None], False), float("-inf"))
        return logits


class RowLoss(ABC):
    """How a row of logits (-inf: left out) and its partner become that row's loss, and its derivative, both in the logits' place."""

    @abstractmethod
    def value_(self, logits: Tensor, partner: Tensor) -> Tensor:
        """(N, M) logits -> (N,) losses, without a gradient; `logits` is lost."""

    @abstractmethod
    def derivative_(self, logits: Tensor, partner: Tensor, value: Tensor) -> Tensor:
        """Of each row's `value` by its `logits`, in their place."""


class CrossEntropy(RowLoss):
    """-log softmax(logits)[partner]."""

    def value_(self, logits: Tensor, partner: Tensor) -> Tensor:
        positive, top = logits.gather(1, partner[:, None]), logits.amax(1, keepdim=True)
        return (logits.sub_(top).exp_().sum(1, keepdim=True).log_() + (top - positive)).squeeze(1)

    def derivative_(self, logits: Tensor, partner: Tensor, value: Tensor) -> Tensor:
        log_sum_exp = value[:, None] + logits.gather(1, partner[:, None])
        softmax = logits.sub_(log_sum_exp).exp_()
        return softmax.scatter_(1, partner[:, None], torch.expm1(-value)[:, None])  # softmax - 1


def by_blocks(loss: RowLoss, rows: Tensor, columns: Tensor, pairs: Pairs, bias: Tensor | None = None) -> Tensor:
    """(N,) `loss` of each row of the logits rows @ columns.T + bias, block by block."""
    losses: Tensor = _ByBlocks.apply(loss, pairs, rows, columns, bias)
    return losses


class _ByBlocks(torch.autograd.Function):
    """Keeps one number a row, and makes the logits again in backward."""

    @staticmethod
    def forward(ctx: Any, loss: RowLoss, pairs: Pairs, rows: Tensor, columns: Tensor, bias: Tensor | None) -> Tensor:
        losses = rows.new_empty(len(rows))
        for block, logits in _blocks(rows, columns, pairs, bias):
            losses[block] = loss.value_(logits, pairs.partner[block])
        ctx.loss, ctx.pairs = loss, pairs
        ctx.save_for_backward(rows, columns, bias, losses)
        return losses

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, None, Tensor | None, Tensor | None, Tensor | None]:
        rows, columns, bias, losses = ctx.saved_tensors
        of_rows, of_columns, of_bias = (
            torch.zeros_like(x) if needed else None for x, needed in zip((rows, columns, bias), ctx.needs_input_grad[2:], strict=True)
        )
        for block, logits in _blocks(rows, columns, ctx.pairs, bias):
            slope = ctx.loss.derivative_(logits, ctx.pairs.partner[block], losses[block])
            weight = gradient[block, None]
            if of_rows is not None:
                torch.mm(slope, columns, out=of_rows[block]).mul_(weight)
            if of_columns is not None:
                of_columns.addmm_(slope.T, weight * rows[block])
            if of_bias is not None:
                of_bias += (weight * slope.sum(1, keepdim=True)).sum()
        return None, None, of_rows, of_columns, of_bias


def _blocks(rows: Tensor, columns: Tensor, pairs: Pairs, bias: Tensor | None) -> Iterator[tuple[slice, Tensor]]:
    """Blocks of rows with their logits, all in one buffer: an allocator that is asked for each anew may keep many of them.

    Products with a given place for the result are never cast, whatever autocast is on around forward or backward.
    """
    height = max(1, HELD // len(columns))
    buffer = rows.new_empty(min(height, len(rows)), len(columns))
    for start in range(0, len(rows), height):
        block = slice(start, min(start + height, len(rows)))
        logits = torch.mm(rows[block], columns.T, out=buffer[: block.stop - start])
        yield block, pairs.of(block).leave_out_(logits if bias is None else logits.add_(bias))
