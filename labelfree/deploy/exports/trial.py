"""What was written, tried on images: the same scores and decisions as the head's, and how long one image takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from labelfree.deploy.box_heads import BoxesHead
from labelfree.deploy.exports.infer_onnx import Model
from labelfree.deploy.exports.labelled_images import stored_pixels
from labelfree.deploy.loaded_head import LoadedHead, VectorHead
from labelfree.deploy.map_heads import MapsHead
from labelfree.deploy.patch_heads import PatchesHead
from labelfree.domain import Sample
from labelfree.errors import DataError
from labelfree.transfer.boxes.detectors import LEAST_SCORE, MOST

NEAR = 1e-4  # that scores may differ
NEAR_HEAT = 1e-3  # the same of maps of distances: of two patches that are nearest all but alike, either may be taken
MOVED = 0.05  # pixels that corners may
REPEATS, SECONDS = 20, 3.0  # of the timing, whichever ends first


@dataclass(frozen=True)
class Trial:
    """`images` that both were asked about, `apart`: how far scores are apart at most. Of `decisions` (images, pixels or boxes) so many are
    the `same`; the others are ties within NEAR.
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
        if sample.measured is None or sample.measured.all():  # a graph knows nothing of gaps
            total = total.joined(TRIALS[type(head)](model, head, sample))
    return total


def _one_vector(model: Model, head: VectorHead, sample: Sample) -> Trial:
    said = head.predict(sample)
    (theirs,), called = model.scores(stored_pixels(head, sample)[None])
    apart = float(np.abs(theirs - np.array(list(said.scores.values()))).max())
    if called is None:
        return _checked(sample, apart, True, 1, 1)
    name = model.name(called[0])
    by_our_rule = head.called(dict(zip(head.columns, theirs.tolist(), strict=True)))
    return _checked(sample, apart, name == by_our_rule, 1, int(name == said.name))


def _one_map(model: Model, head: MapsHead, sample: Sample) -> Trial:
    said = head.predict(sample)
    shares = model.shares(stored_pixels(head, sample))
    own = np.take_along_axis(shares, said.numbers[None].astype(int), 0)[0]
    apart, ties = float(np.abs(own - said.confidence).max()), shares.max(0) - own <= 2 * NEAR
    return _checked(sample, apart, bool(ties.all()), own.size, int((shares.argmax(0) == said.numbers).sum()))


def _boxes(model: Model, head: BoxesHead, sample: Sample) -> Trial:
    """Of one tile: how tiles join is not the graph's. A box that one of both alone tells is a tie where its score is that of the last."""
    rows, columns = head.card.shape
    part = replace(sample, data=sample.data[:, :rows, :columns], measured=None)
    said = head.predict(part)
    corners, labels, scores = model.boxes(stored_pixels(head, part))
    moved = np.abs(said.corners[:, None] - corners).max(2, initial=0)  # (n, m)
    one = (said.labels[:, None] == labels) & (moved <= MOVED)
    apart = float(np.where(one, np.abs(said.scores[:, None] - scores), np.inf).min(1, initial=np.inf)[one.any(1)].max(initial=0.0))
    alone = np.concatenate([said.scores[~one.any(1)], scores[~one.any(0)]])
    full = [float(told.min()) for told in (said.scores, scores) if len(told) == MOST]
    last = max([head.card.threshold or LEAST_SCORE, *full])
    found = int(one.any(1).sum())
    return _checked(sample, apart, bool((alone <= last + NEAR).all()), len(said), found)


def _judged(model: Model, head: PatchesHead, sample: Sample) -> Trial:
    """Scores have no upper bound: large ones are compared in shares of themselves, and maps in shares of the image's score."""
    said, (score, called, heat) = head.predict(sample), model.judged(stored_pixels(head, sample))
    large = max(1.0, said.score)
    near = bool((np.abs(heat - said.heat) <= NEAR_HEAT * large).all())
    tie = head.card.threshold is not None and abs(said.score - head.card.threshold) <= NEAR * large
    same = called == bool(said.anomalous)
    return _checked(sample, abs(score - said.score) / large, near and (same or tie), 1, int(same))


TRIALS: dict[type, Callable[[Model, Any, Sample], Trial]] = {
    VectorHead: _one_vector, MapsHead: _one_map, BoxesHead: _boxes, PatchesHead: _judged,
}  # fmt: skip


def _checked(sample: Sample, apart: float, agreed: bool, decisions: int, same: int) -> Trial:
    """Raises DataError where scores are too far `apart`, or not `agreed`: decisions differ that are no ties."""
    if not apart <= NEAR or not agreed:
        raise DataError(
            f"{sample.source or 'an image'}: the exported head says otherwise (scores {apart:.2g} apart), so it is not kept; "
            "try other versions of torch and onnxruntime."
        )
    return Trial(1, apart, decisions, same)


def milliseconds(ask: Callable[[np.ndarray], Any], pixels: np.ndarray) -> float:
    """The usual time of one image, the first ones left out."""
    ask(pixels)
    begun, times = perf_counter(), list[float]()
    while len(times) < REPEATS and (len(times) < 3 or perf_counter() - begun < SECONDS):
        before = perf_counter()
        ask(pixels)
        times.append(perf_counter() - before)
    return 1000 * median(times)
