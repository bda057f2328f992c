"""Alarms: what may be called, and what a threshold does to it. Of two classes an image is one, in detection every box."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import floor, nextafter
from typing import NamedTuple

import numpy as np

ANY_CLASS = -1  # in place of a class's position: whatever is found is an alarm


@dataclass(frozen=True)
class Counts:
    """What a threshold does: of `positives` so many `missed`, and of `negatives` so many with `false_alarms`, `raised` of these in all."""

    missed: float
    positives: float
    false_alarms: float
    negatives: float
    raised: float

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.missed + other.missed,
            self.positives + other.positives,
            self.false_alarms + other.false_alarms,
            self.negatives + other.negatives,
            self.raised + other.raised,
        )

    def over(self, times: int) -> Counts:
        """The mean of so many."""
        return Counts(self.missed / times, self.positives / times, self.false_alarms / times, self.negatives / times, self.raised / times)


class AlarmWords(NamedTuple):
    """How alarms are spoken of. `bound`: what a threshold was set for; `called`: what is told from it on; `missed`, `false`: what is
    counted; `raised`: of false alarms what there are so many of in a unit, "" where one has at most one.
    """

    bound: str
    called: str
    missed: str
    false: str
    raised: str = ""


class Alarms(ABC):
    """Scores of what may raise an alarm, and whether it should."""

    @abstractmethod
    def threshold(self, most: float) -> float | None:
        """The lowest one that keeps false alarms at `most` here; None where there is nothing to set it by."""

    @abstractmethod
    def at(self, threshold: float) -> Counts:
        """What it does here: a score of at least as much is an alarm."""

    @staticmethod
    @abstractmethod
    def words(name: str, most: float, unit: str) -> AlarmWords:
        """`name`: of the class that alarms are about. `most`: false alarms, at most. `unit`: `image`, or `group` where images share any."""


@dataclass(frozen=True)
class BinaryAlarms(Alarms):
    """`scores` (n,) float64 and `positive` (n,) bool of n images or, where images share groups, of n groups."""

    scores: np.ndarray
    positive: np.ndarray

    @classmethod
    def of(cls, scores: np.ndarray, positive: np.ndarray, groups: np.ndarray) -> BinaryAlarms:
        """`groups`: (rows,) of each row. A group scores as high as its highest row, and is positive where any of its rows is."""
        places, which = np.unique(groups, return_inverse=True)
        highest, found = np.full(len(places), -np.inf), np.zeros(len(places), bool)
        np.maximum.at(highest, which, scores)
        np.logical_or.at(found, which, positive)
        return cls(highest, found)

    def threshold(self, most: float) -> float | None:
        """In the middle between the highest negative that may raise no alarm and the next score above it."""
        negatives = np.sort(self.scores[~self.positive])[::-1]
        allowed = floor(most * len(negatives) + 1e-9)
        if not len(negatives) or not self.positive.any():
            return None
        return 0.0 if allowed >= len(negatives) else _just_above(float(negatives[allowed]), self.scores)

    def at(self, threshold: float) -> Counts:
        called = self.scores >= threshold
        missed, false = int((self.positive & ~called).sum()), int((~self.positive & called).sum())
        return Counts(missed, int(self.positive.sum()), false, int((~self.positive).sum()), false)

    @staticmethod
    def words(name: str, most: float, unit: str) -> AlarmWords:
        bound = f"at most {100 * most:.1f} % of the {unit}s without {name} would be called so"
        return AlarmWords(bound, name, f"{unit}s of {name} missed", f"other {unit}s called so")


class NormalAlarms(BinaryAlarms):
    """The same where what is positive need not be known: a threshold comes from negatives alone, and scores have no upper bound."""

    def threshold(self, most: float) -> float | None:
        """In the middle between the highest negative that may raise no alarm and the next one above it; just above it, where none is."""
        falling = np.sort(self.scores[~self.positive])[::-1]
        if not len(falling):
            return None
        allowed = floor(most * len(falling) + 1e-9)
        if allowed >= len(falling):
            return 0.0
        last = float(falling[allowed])
        above = falling[falling > last]
        return (last + float(above.min())) / 2 if len(above) else nextafter(last, np.inf)

    @staticmethod
    def words(name: str, most: float, unit: str) -> AlarmWords:
        bound = f"at most {100 * most:.1f} % of the normal {unit}s would be called {name}, and from normal {unit}s alone"
        return AlarmWords(bound, name, f"{name} {unit}s missed", f"normal {unit}s called {name}")


@dataclass(frozen=True)
class BoxAlarms(Alarms):
    """Boxes found on `units` images or, where images share groups, groups; those without objects are among them.

    `right`: (n,) float64 scores of the boxes that found one of the `objects`. `false`: (m,) of those that found none; `places`: (m,) the
    unit of each.
    """

    right: np.ndarray
    objects: int
    false: np.ndarray
    places: np.ndarray
    units: int

    def threshold(self, most: float) -> float | None:
        """At most `most` false boxes a unit on the mean: in the middle between the highest one too many and the next score above it."""
        if not self.units or not self.objects:
            return None
        falling = np.sort(self.false)[::-1]
        allowed = floor(most * self.units + 1e-9)
        return 0.0 if allowed >= len(falling) else _just_above(float(falling[allowed]), np.concatenate([self.right, self.false]))

    def at(self, threshold: float) -> Counts:
        false = self.false >= threshold
        missed = self.objects - int((self.right >= threshold).sum())
        return Counts(missed, self.objects, len(np.unique(self.places[false])), self.units, int(false.sum()))

    @staticmethod
    def words(name: str, most: float, unit: str) -> AlarmWords:
        bound = f"there would be at most {most:g} false boxes {_a(unit)}"
        return AlarmWords(bound, "boxes", "objects missed", f"{unit}s with a false box", f"false boxes {_a(unit)}")


def _just_above(last: float, scores: np.ndarray) -> float:
    """A threshold that `last` does not reach: in the middle between it and the next of the `scores`, 1 where there is none."""
    above = scores[scores > last]
    middle = (last + (float(above.min()) if len(above) else 1.0)) / 2
    return middle if middle > last else nextafter(last, np.inf)


def _a(unit: str) -> str:
    return f"{'an' if unit[0] in 'aeiou' else 'a'} {unit}"
