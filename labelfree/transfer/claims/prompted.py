"""What was asked in words, by what captions had named: accuracy on classes prompted and held out, and when a probe overtakes it.

docs/protocol.md, 21.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from labelfree.data.budgets import NO_LABELS
from labelfree.training.files import read_json, write_json
from labelfree.transfer.claims.curves import resampled_mean
from labelfree.transfer.claims.intervals import Interval, from_test
from labelfree.transfer.claims.labels_saved import ABOVE, BELOW, FEWEST_DRAWS, bounds, labels_saved
from labelfree.transfer.claims.scores import Point, Prediction, Scores, read_scores
from labelfree.transfer.operating import Share
from labelfree.transfer.tasks import RESAMPLINGS, Weights
from labelfree.transfer.tasks.base import flat, nested
from labelfree.transfer.words import TaskWords

FILE = "prompted.json"
PROMPTED, HELD_OUT, UNNAMED, UNKNOWN = "prompted", "zero-shot", "unnamed", "unknown"  # kinds of classes, to one arm
KINDS = {
    PROMPTED: "classes that captions of the pretraining name",
    HELD_OUT: "classes held out: their images and captions were not pretrained on",
    UNNAMED: "classes that no caption names, whose images may have been pretrained on",
    UNKNOWN: "classes of which it is not known whether captions named them",
}
METRIC = "accuracy"  # that chance is known of
AMONG_ALL, AMONG_THEM = "all", "them"
PROBES = ("linear", "linear_each")


@dataclass(frozen=True)
class Asked:
    """Accuracy of one arm on scored images of classes of one `kind`, called `among` these alone or all classes.

    `classes`: of the kind. `images`, `groups`: scored. `low`, `high`: 95 % bounds; None where the images allow none. `chance`: of a guess.
    """

    arm: str
    kind: str
    among: str
    classes: int
    images: int
    groups: int
    mean: float
    low: float | None
    high: float | None
    chance: float


@dataclass(frozen=True)
class Overtaken:
    """With how many labels, as the task counts them, the arm's own probe does as well as words alone. `at`: None where the curve starts
    above (`first`), or ends below (`last`); so are `low` and `high`, the 95 % bounds, which `interval` says are known.
    """

    arm: str
    protocol: str
    mean: float
    at: float
    low: float
    high: float
    interval: bool
    first: float
    last: float

    def sentence(self, words: TaskWords, metric: str) -> str:
        measured, probe, many = words.metric(metric), words.protocol(self.protocol).heading, words.budget.many
        score = f"{measured.scale * self.mean:.1f}{' ' + measured.of_scores if measured.of_scores else ''}"
        head = f"{self.arm} scores {score} ({measured.heading}) with no labels; the {probe} on the same features"
        span = f"(95 % interval {self._words(self.low)} to {self._words(self.high)})"
        spread = span if self.interval else f"(no interval: fewer than {FEWEST_DRAWS} draws)"
        if self.at == ABOVE:
            return f"{head} does not overtake it within the budgets, up to {self.last:.3g} {many} {spread}."
        if self.at == BELOW:
            return f"{head} has overtaken it at the smallest budget, {self.first:.3g} {many} {spread}."
        return f"{head} overtakes it at about {self.at:.3g} {many} {spread}."

    def _words(self, value: float) -> str:
        return f"> {self.last:.3g}" if value == ABOVE else f"≤ {self.first:.3g}" if value == BELOW else f"{value:.3g}"


def save_prompted(folder: Path, facts: Mapping[str, Any]) -> list[str]:
    """Write prompted.json of a run whose scores are there, and return its sentences. `facts`: what is known of the captions of each arm
    (`pipeline.named_classes`); nothing is written where nothing was asked in words.
    """
    if not facts:
        return []
    main = str(read_json(folder / "claims.json")["table"][0]["metric"])
    of_accuracy, scores = read_scores(folder, METRIC), read_scores(folder, main)
    classes, protocol = [str(name) for name in read_json(folder / "classes.json")], str(facts["protocol"])
    rows: list[Asked] = []
    crossings: list[Overtaken] = []
    for arm, naming in facts["arms"].items():
        point: Point = (arm, protocol, str(NO_LABELS))
        if point not in scores.cells:
            continue
        rows += asked_rows(of_accuracy, point, [naming["kinds"][name] for name in classes])
        if (crossing := overtaken(scores, point)) is not None:
            crossings.append(crossing)
    sentences = [crossing.sentence(scores.words, main) for crossing in crossings]
    told = {**facts, "kinds": KINDS, "rows": [asdict(row) for row in rows], "overtaken": [_told(each) for each in crossings]}
    write_json(folder / FILE, {**told, "sentences": sentences, "why": why_not(facts)})
    return [*map(row_words, rows), *why_not(facts), *sentences]


def asked_rows(scores: Scores, point: Point, kinds: Sequence[str]) -> list[Asked]:
    """Accuracy by kind of class, among the classes of that kind and, of held-out ones, among all. `kinds`: of each class."""
    found = []
    for kind in KINDS:
        members = np.flatnonzero([each == kind for each in kinds])
        everyone = np.arange(len(kinds))
        for among, candidates in ((AMONG_THEM, members), (AMONG_ALL, everyone)):
            repeated = among == AMONG_ALL and (kind != HELD_OUT or len(members) == len(kinds))
            if len(members) and len(candidates) > 1 and not repeated:
                interval, images, groups = _accuracy(scores, point, members, candidates)
                if images:
                    low, high = _bounds(interval, groups)
                    chance = 1 / len(candidates)
                    found.append(Asked(point[0], kind, among, len(members), images, groups, interval.mean, low, high, chance))
    return found


def _accuracy(scores: Scores, point: Point, members: np.ndarray, candidates: np.ndarray) -> tuple[Interval, int, int]:
    """Of the scored rows of classes `members`, called among `candidates`; and how many rows and groups these are."""
    values, resampled, images, groups = [], [], 0, 0
    for seed in scores.seeds(point):
        part = among(scores.whole(point, seed, scores.draws(point)[0]), members, candidates)
        images, groups = len(part.answers), len(np.unique(part.groups))
        if images:
            values.append(scores.metric.value(part.answers))
            resampled.append(scores.metric(part.answers, Weights(scores.counts, part.groups)))
    if not images:
        return Interval(math.nan, math.inf, 0.0), 0, 0
    mean = np.mean(resampled, axis=0)
    return from_test(np.array([values]), mean[np.isfinite(mean)], groups), images, groups


def _bounds(interval: Interval, groups: int) -> tuple[float | None, float | None]:
    """95 % bounds of a share. Where no resampling moves it, as where none is called right, those of as many images as there are groups."""
    low, high = interval.bounds()
    if math.isfinite(low) and math.isfinite(high):
        return max(low, 0.0), min(high, 1.0)
    if groups < 2:
        return None, None
    exact = Share.of(min(max(interval.mean, 0.0), 1.0) * groups, groups)
    return exact.low, exact.high


def among(cell: Prediction, members: np.ndarray, candidates: np.ndarray) -> Prediction:
    """The rows of a cell whose class is one of `members`, as if `candidates`, which hold these, were all classes there are."""
    targets = cell.answers["target"].to_numpy()
    rows = np.isin(targets, members)
    scores, place = flat(cell.answers["scores"])[rows][:, candidates], np.searchsorted(candidates, targets[rows])
    if not rows.any():
        return Prediction(cell.answers.slice(0, 0), cell.groups[:0])
    return Prediction(pa.table({"target": pa.array(place.astype(np.int32)), "scores": nested(scores)}), cell.groups[rows])


def overtaken(scores: Scores, point: Point) -> Overtaken | None:
    """Where the curve of the arm's linear probe, else of another protocol of its features, reaches what words alone score; None where
    there is no such curve. Resampled as labels saved are, docs/protocol.md, 14.
    """
    arm, own, _ = point
    learning = list(dict.fromkeys(protocol for name, protocol, _ in scores.cells if name == arm and protocol != own))
    if not learning:
        return None
    protocol = next((name for name in PROBES if name in learning), learning[0])
    labelled = {budget: scores.x((name, proto, budget)) for name, proto, budget in scores.cells if (name, proto) == (arm, protocol)}
    budgets = sorted(labelled, key=labelled.__getitem__)
    points: list[Point] = [(arm, protocol, budget) for budget in budgets]
    x, sign = np.array([labelled[budget] for budget in budgets]), scores.metric.sign
    level = float(scores.pooled(point).mean())
    curve = sign * np.array([[scores.pooled(each).mean() for each in points]])
    if not (np.isfinite(level) and np.isfinite(curve).all()):
        return None
    at = x[0] * float(labels_saved(x, np.full_like(curve, sign * level), curve, 0)[0])
    draws = max(len(scores.draws(each)) for each in points)
    low, high = math.nan, math.nan
    if draws >= FEWEST_DRAWS:
        drawn = np.random.default_rng([scores.seed, draws]).integers(draws, size=(RESAMPLINGS, draws))
        levels = sign * scores.resampled(point).mean((0, 1))
        curves = sign * np.stack([resampled_mean(scores.resampled(each).mean(1), drawn) for each in points], 1)
        known = np.isfinite(curves).all(1) & np.isfinite(levels)
        low, high = (x[0] * end for end in bounds(labels_saved(x, np.tile(levels[known, None], len(x)), curves[known], 0)))
    return Overtaken(arm, protocol, level, at, low, high, draws >= FEWEST_DRAWS, float(x[0]), float(x[-1]))


def why_not(facts: Mapping[str, Any]) -> list[str]:
    """Why what was asked in words is no zero-shot, in sentences; none where it is."""
    kinds = {kind for naming in facts["arms"].values() for kind in naming["kinds"].values()}
    found = []
    if not facts["held_out_asked"]:
        found.append(
            "Nothing here is zero-shot: no class was held out of the pretraining (evaluate.held_out_classes), so its images, or captions "
            "that name it, may have been seen."
        )
    elif HELD_OUT not in kinds:
        found.append("Nothing here is zero-shot: the weights were not taught without the classes that evaluate.held_out_classes names.")
    return [*found, *dict.fromkeys(f"{arm}: {naming['why']}." for arm, naming in facts["arms"].items() if naming["why"])]


def row_words(row: Asked) -> str:
    """A row in one line."""
    span = "no interval" if row.low is None or row.high is None else f"95 % interval {100 * row.low:.1f} to {100 * row.high:.1f}"
    called = f"{row.classes} classes" if row.among == AMONG_THEM else f"{row.classes} classes, called among all"
    where = f"{row.arm}, {row.kind} ({called}, {row.images} images)"
    return f"{where}: accuracy {100 * row.mean:.1f} %, {span}, chance {100 * row.chance:.1f} %."


def _told(crossing: Overtaken) -> dict[str, Any]:
    """Plain JSON: ends that lie beyond the budgets are null, and said in words."""
    plain = asdict(crossing)
    ends = {key: plain[key] if math.isfinite(plain[key]) else None for key in ("at", "low", "high")}
    beyond = {key: crossing._words(plain[key]) for key in ("at", "low", "high") if not math.isnan(plain[key])}
    return {**plain, **ends, "words": beyond}
