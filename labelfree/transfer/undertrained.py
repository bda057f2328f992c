"""Whether a training had come to its end (docs/protocol.md, 15): of heads, and of networks that are trained along."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

TAIL = 0.1  # of all steps, over which the loss is averaged at the end
STILL_FALLS = 0.02  # of its total fall: a loss that falls by more from tail to tail is undertrained


def tail_of(steps: int) -> int:
    """How many steps the loss is averaged over at the end."""
    return max(1, round(TAIL * steps))


def batch_of(step: int, steps: int) -> int:
    """The number of a step's batch: the last tenth sees those of the tenth before again, so that both are compared on the same images."""
    return step if step < steps - tail_of(steps) else step - tail_of(steps)


def stopped_falling(losses: Sequence[float], begun: float | None = None) -> bool:
    """Whether a loss had come to its end (PROTOCOL 15): its mean over the last tenth of the steps is not below that of the tenth before
    by more than 2 % of its fall since it was `begun`, at the first step unless told. A loss that never fell has learnt nothing and has
    not."""
    tail = tail_of(len(losses))
    before, last = losses[-2 * tail : -tail], losses[-tail:]
    if not before:
        return False
    fall = (losses[0] if begun is None else begun) - fmean(last)
    return fall > 0 and fmean(before) - fmean(last) <= STILL_FALLS * fall
