"""What was written, tried on images: the same scores and decisions as the head's, and how long one image takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from labelfree.deploy.exports.infer_onnx import Model
from labelfree.deploy.exports.labelled_images import stored_pixels
from labelfree.deploy.exports.programs import alarm_of
from labelfree.deploy.loaded_head import LoadedHead, VectorHead
from labelfree.deploy.map_heads import MapsHead
from labelfree.domain import NOTHING, Sample
from labelfree.errors import DataError

NEAR = 1e-4  # that scores may differ
REPEATS, SECONDS = 20, 3.0  # of the timing, whichever ends first


@dataclass(frozen=True)
class Trial:
    """`images` that both were asked about, `apart`: how far scores are apart at most. Of `decisions` (images, or pixels) so many are the
    `same`; the others are ties within NEAR.
    """

    images: int
    apart: float
    decisions: int
    same: int

    def joined(self, other: Trial) -> Trial:
        return Trial(self.images + other.images, max(self.apart, other.apart), self.decisions + other.decisions, self.same + other.same)


NONE = Trial(0, 0.0, 0, 0)


def tried(model: Model, head: LoadedHead[Any], samples: Iterable[Sample]) -> Trial:
    """Raises DataError where scores are further apart than NEAR, or a decision differs that is no tie."""
    total = NONE
    for sample in samples:
        total = total.joined(TRIALS[type(head)](model, head, sample))
    return total


def _one_vector(model: Model, head: VectorHead, sample: Sample) -> Trial:
    if sample.measured is not None and not sample.measured.all():
        return NONE  # gaps are nothing that the exported head knows of
    said = head.predict(sample)
    ours = np.array(list(said.scores.values()), np.float32)
    theirs, called = model.scores(stored_pixels(head, sample)[None])
    if called is None:
        return _compared(sample, ours[None], theirs, np.zeros(1, bool), np.zeros(1))
    expected = head.classes.index(str(said.name))
    return _compared(sample, ours[None], theirs, called == expected, _margin(ours, model.threshold, alarm_of(head.card)))


def _one_map(model: Model, head: MapsHead, sample: Sample) -> Trial:
    if sample.measured is not None and not sample.measured.all():
        return NONE
    said = head.predict(sample)
    shares = model.shares(stored_pixels(head, sample))
    known = said.numbers != NOTHING
    theirs = shares.transpose(1, 2, 0)[known]
    at = said.numbers[known].astype(int)
    called = np.take_along_axis(theirs, at[:, None], 1)[:, 0]
    rest = np.partition(theirs, -2, axis=1)[:, -2] if theirs.shape[1] > 1 else np.zeros(len(theirs))
    return _compared(sample, said.confidence[known], called, theirs.argmax(1) == at, called - rest)


TRIALS: dict[type, Callable[[Model, Any, Sample], Trial]] = {VectorHead: _one_vector, MapsHead: _one_map}


def _margin(scores: np.ndarray, threshold: float | None, alarm: int) -> np.ndarray:
    """(1,) by how much the decision of scores (K,) was taken."""
    if threshold is None:
        return _lead(scores)
    return np.minimum(_lead(np.delete(scores, alarm)), np.abs(scores[alarm] - threshold))


def _lead(scores: np.ndarray) -> np.ndarray:
    """(1,) of the best over the second."""
    best = np.sort(scores)
    lead: np.ndarray = best[-1:] - best[-2:-1] if len(best) > 1 else np.ones(1)
    return lead


def _compared(sample: Sample, ours: np.ndarray, theirs: np.ndarray, same: np.ndarray, margin: np.ndarray) -> Trial:
    apart = float(np.abs(ours - theirs).max(initial=0.0))
    if not apart <= NEAR or (~same & (margin > 2 * NEAR)).any():
        raise DataError(
            f"{sample.source or 'an image'}: the exported head says otherwise (scores {apart:.2g} apart), so it is not kept; "
            "try other versions of torch and onnxruntime."
        )
    return Trial(1, apart, same.size, int(same.sum()))


def milliseconds(ask: Callable[[np.ndarray], Any], pixels: np.ndarray) -> float:
    """The usual time of one image, the first ones left out."""
    ask(pixels)
    begun, times = perf_counter(), list[float]()
    while len(times) < REPEATS and (len(times) < 3 or perf_counter() - begun < SECONDS):
        before = perf_counter()
        ask(pixels)
        times.append(perf_counter() - before)
    return 1000 * median(times)
