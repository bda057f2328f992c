"""Holm's step-down test over the primaries of a published table (docs/protocol.md, 13; Holm 1979)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """`alpha`: the level this p is tested at, and 1 - alpha the confidence its interval is printed at."""

    p: float
    alpha: float
    rejected: bool


def holm(ps: Sequence[float], alpha: float = 0.05) -> list[Verdict]:
    """One verdict for each p, in the order given: the i-th smallest of m is tested at alpha / (m - i + 1), up to the first failure.

    Give p = 1 for a primary that is unfinished or undertrained: it belongs to the family and cannot be claimed.
    """
    order = sorted(range(len(ps)), key=lambda position: ps[position])
    verdicts: dict[int, Verdict] = {}
    going = True
    for rank, position in enumerate(order):
        level = alpha / (len(ps) - rank)
        going = going and ps[position] <= level
        verdicts[position] = Verdict(ps[position], level, going)
    return [verdicts[position] for position in range(len(ps))]
