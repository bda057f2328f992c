"""One sitting: which image is next, what was answered, what can be taken back, and how far it has come."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

from labelfree.errors import DataError
from labelfree.labelling.answers import NOTHING, SKIPPED, UNSURE, Answer
from labelfree.labelling.classes import keys_of
from labelfree.labelling.images import Asked
from labelfree.labelling.neighbours import Neighbours
from labelfree.labelling.table_file import AnswerTable, Meanwhile
from labelfree.progress import duration

PAUSE = 60.0  # seconds between two answers; a longer rest says nothing of the pace
AHEAD = 2  # images that the page fetches before they are asked about


class Given(NamedTuple):
    """An answer that can be taken back: where, what stood there before (None: no line), and what was said."""

    at: int
    before: Answer | None
    after: Answer


@dataclass(frozen=True)
class Place:
    """What a page shows: an image by its position (None: all have an answer), and a sentence on what has just happened."""

    at: int | None
    told: str = ""


class Sitting:
    """`asked`: the images in order. `others`: further images with an answer. `closing`: the command to type once all are answered.

    Each window has its own history: one takes back only what it gave.
    """

    def __init__(
        self,
        asked: Sequence[Asked],
        others: Sequence[Asked],
        classes: Sequence[str],
        table: AnswerTable,
        neighbours: Neighbours,
        closing: str = "",
    ) -> None:
        self.asked, self.images, self.classes = asked, [*asked, *others], tuple(classes)
        self.table, self.neighbours, self.closing = table, neighbours, closing
        self._passed: set[str] = set()  # skipped since their file is gone: a run refuses a table that names them
        self._histories: dict[str, list[Given]] = defaultdict(list)
        self._times: deque[float] = deque(maxlen=30)
        self._mutex = threading.Lock()

    def first(self, after: int = -1, aside: bool = False) -> int | None:
        """The first image without an answer after a position, from the start again where there is none behind it.

        `aside`: the first that was skipped or is unsure instead.
        """
        answers = self.answers()
        count = len(self.asked)
        for step in range(1, count + 1):
            at = (after + step) % count
            answer = answers.get(self.asked[at].identity, NOTHING)
            if bool(answer.state) if aside else answer == NOTHING:
                return at
        return None

    def answers(self) -> dict[str, Answer]:
        """What has been said, by image."""
        known = self.table.answers()
        return {**dict.fromkeys(self._passed, Answer("", SKIPPED)), **known} if self._passed else known

    def answer(self, window: str, at: int, answer: Answer, shown: Answer, aside: bool = False) -> Place:
        """Keep an answer; the place to go on at. Where somebody else has answered since it was `shown`, it stays and is told."""
        if answer.label and answer.label not in self.known():
            raise DataError(f"{answer.label!r} is none of the classes.")
        asked = self._at(at)
        if asked.gone:
            if answer.label:
                raise DataError(f"{asked.cell} is no longer there, so nobody sees what it shows: skip it, or put it back.")
            self._passed.add(asked.identity)
            return Place(self.first(at, aside), f"Passed over: {asked.cell} is no longer there, so the table does not name it.")
        with self._mutex:
            passed = asked.identity in self._passed  # and put back since
            self._passed.discard(asked.identity)
            try:
                before = self.table.change(asked.identity, answer, NOTHING if passed else shown)
            except Meanwhile as other:
                if other.answer == answer:  # sent again, since the reply was lost, or given in another window
                    return Place(self.first(at, aside), f"{asked.cell} was {said(answer)} already.")
                return Place(at, f"Meanwhile this image was given another answer: {said(other.answer)}. Answer again to change it.")
            self._histories[window].append(Given(at, before, answer))
            self._times.append(time.monotonic())
        return Place(self.first(at, aside), f"Saved: {asked.cell} is {said(answer)}.")

    def undo(self, window: str) -> Place:
        """Take back the last answer that a window gave: what was there before is there again."""
        with self._mutex:
            history = self._histories[window]
            if not history:
                return Place(self.first(), "Nothing was answered here that could be taken back.")
            at, before, after = history[-1]
            asked = self.asked[at]
            try:
                self.table.change(asked.identity, before, after)
                told = f"Taken back: {asked.cell} was {said(after)}."
            except Meanwhile as other:
                told = f"Not taken back: {asked.cell} was given another answer meanwhile, {said(other.answer)}."
            history.pop()
            return Place(at, told)

    def known(self) -> list[str]:
        """The classes, and those that were written into the table by hand since."""
        by_hand = {answer.label for answer in self.table.answers().values() if answer.label} - set(self.classes)
        return [*self.classes, *sorted(by_hand)]

    def view(self, place: Place) -> dict[str, Any]:
        """What the page shows of a place, as JSON has it."""
        answers = self.answers()
        shown = None if place.at is None else self._view(place.at, answers)
        ahead: list[int] = []
        at = place.at
        while at is not None and len(ahead) < AHEAD and (at := self.first(at)) is not None and at not in (place.at, *ahead):
            ahead.append(at)
        classes = self.known()
        return {
            "kind": "classes",
            "image": shown,
            "total": len(self.asked),
            "ahead": ahead,
            "classes": [{"name": name, "key": key} for name, key in zip(classes, keys_of(classes), strict=True)],
            "told": place.told,
            "notice": self.table.notice,
            "lost": len(self.table.lost()),
            "progress": self._progress(answers),
            "closing": self.closing,
        }

    def _view(self, at: int, answers: Mapping[str, Answer]) -> dict[str, Any]:
        asked = self._at(at)
        answered = [i for i, image in enumerate(self.images) if answers.get(image.identity, NOTHING).label]
        near = self.neighbours.of(at, answered)
        return {
            "at": at,
            "name": asked.cell,
            "chosen": asked.extra.get("chosen", ""),
            "answer": answers.get(asked.identity, NOTHING)._asdict(),
            "neighbours": [
                {"at": i, "name": self.images[i].cell, "said": said(answers.get(self.images[i].identity, NOTHING)), "why": why}
                for i, why in near
            ],
            "neighbours_note": self.neighbours.note,
        }

    def _progress(self, answers: Mapping[str, Answer]) -> dict[str, Any]:
        mine = [answers.get(each.identity, NOTHING) for each in self.asked]
        done = sum(answer != NOTHING for answer in mine)
        states = Counter(answer.state for answer in mine if answer.state)
        counts = Counter(answer.label for answer in mine if answer.label)
        words = [f"{name} {counts[name]}" for name in self.known() if counts[name]]
        aside = [f"{states[state]} {state}" for state in (SKIPPED, UNSURE) if states[state]]
        return {
            "done": done,
            "aside": sum(states.values()),
            "words": "; ".join([f"{done} of {len(mine)}", *self._pace(len(mine) - done)]),
            "counts": "; ".join(filter(None, (", ".join(words), ", ".join(aside)))),
        }

    def _pace(self, left: int) -> list[str]:
        times = list(self._times)
        gaps = [gap for before, after in pairwise(times) if (gap := after - before) <= PAUSE]
        if len(gaps) < 3 or not left:
            return []
        each = max(sum(gaps) / len(gaps), 1e-3)
        return [f"{60 / each:.0f} a minute", f"{duration(left * each)} left"]

    def _at(self, at: int) -> Asked:
        if not 0 <= at < len(self.asked):
            raise DataError(f"There is no image {at + 1}; there are {len(self.asked)}.")
        return self.asked[at]


def said(answer: Answer) -> str:
    """An answer in words."""
    return answer.label or answer.state or "not answered"
