"""Typical first, margin later: Bridging Diversity and Uncertainty in Active Learning with Self-Supervised Pre-Training
(TCM; Doucet et al. 2024, arXiv:2403.03728)."""

from __future__ import annotations

from collections.abc import Iterator

from labelfree.choosing.base import Strategy
from labelfree.choosing.candidates import Candidates, Choice
from labelfree.choosing.margin import Margin
from labelfree.choosing.spread import Spread
from labelfree.choosing.typical import Typical

ENOUGH = 5  # labels a class in all. Turning at 1 or 2 lost early, at 8 late; 3 and 5 are not told apart (benchmarks/README.md)


class Auto(Strategy):
    """`typical` while labels are few, then `margin`.

    It turns when there is a head, two classes or more are labelled, and labels in all are at least five times the classes, those that
    are named and have no label yet counted. It is decided anew for each choice of a budget, by the labels there are before it.
    """

    name = "auto"
    words = "as typical while labels are few, then where the head hesitates"

    def picks(self, candidates: Candidates, spread: Spread, seed: int) -> Iterator[Choice]:
        phase = Margin() if hesitates(candidates) else Typical()
        return phase.picks(candidates, spread, seed)

    def note(self, candidates: Candidates) -> str:
        labels, known = len(candidates.labelled), classes(candidates)
        if not labels:
            return f"auto chooses typical images: nothing is labelled yet; it turns to margin at {ENOUGH} labels a class."
        so_far = f"{labels} labels for {known} classes, {candidates.seen} of them seen"
        if hesitates(candidates):
            return f"auto chooses by margin: {so_far}; that is {ENOUGH} a class or more on average."
        if candidates.seen < 2:
            return f"auto chooses typical images: {labels} labels, all of one class; margin needs two."
        if labels < ENOUGH * known:
            return f"auto chooses typical images: {so_far}; it turns to margin at {ENOUGH * known}, {ENOUGH} a class."
        return f"auto chooses typical images: {so_far}, but there is no head to hesitate; give one for margin."


def hesitates(candidates: Candidates) -> bool:
    """Whether it is the turn of `margin`."""
    enough = len(candidates.labelled) >= ENOUGH * classes(candidates)
    return candidates.outputs is not None and candidates.seen > 1 and enough


def classes(candidates: Candidates) -> int:
    """How many classes there are, as far as anybody said."""
    return max(len(candidates.classes), candidates.seen)
