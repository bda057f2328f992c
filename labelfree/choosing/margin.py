"""Margin sampling: the two best answers of the head nearly tie (Scheffer et al. 2001, "Active Hidden Markov Models")."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from labelfree.choosing.base import Strategy
from labelfree.choosing.candidates import Candidates, Choice
from labelfree.choosing.directions import blocks
from labelfree.choosing.spread import Spread
from labelfree.errors import DataError, RecipeError


class Margin(Strategy):
    """The images between whose two highest class scores the head so far sees the smallest difference."""

    name = "margin"
    words = "where the head hesitates most between two classes"
    needs_outputs = True

    def picks(self, candidates: Candidates, spread: Spread, seed: int) -> Iterator[Choice]:
        outputs = candidates.outputs
        assert outputs is not None  # `choose` has asked
        if outputs.shape[1] < 2:
            raise RecipeError("strategy: margin needs a head of two classes or more; take typical until a second class is labelled.")
        certain = margins(outputs)
        while spread.left():
            position = spread.best(-certain)
            if position is not None:
                yield Choice(position, self.name, hesitation(outputs[position], candidates.classes))


def margins(outputs: np.ndarray) -> np.ndarray:
    """(n,) difference of the two highest class scores (n, K), rounded to a millionth, so that equals stay equal on any machine.

    Raises DataError for a row that is not finite.
    """
    difference = np.empty(len(outputs))
    for block in blocks(*outputs.shape):
        highest = np.partition(np.asarray(outputs[block], np.float64), -2, axis=1)[:, -2:]
        difference[block] = highest[:, 1] - highest[:, 0]
    if not np.isfinite(difference).all():
        raise DataError(f"outputs: row {int(np.isfinite(difference).argmin())} (from 0) is not finite; train the head again.")
    return difference.round(6)


def hesitation(scores: np.ndarray, classes: tuple[str, ...]) -> str:
    """Between which two classes, by name, a row of scores (K,) hesitates."""
    best, second = np.argsort(-scores, kind="stable")[:2].tolist()
    first, other = (classes[code] if code < len(classes) else f"class {code}" for code in (best, second))
    return f"the head hesitates between {first} and {other} ({scores[best]:.2f}, {scores[second]:.2f})"
