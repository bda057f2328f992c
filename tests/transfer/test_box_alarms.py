"""Operating points of detection: thresholds keep the false boxes that they were set for, and count what COCO's rules say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from labelfree.data.boxes import ANY, Boxes, Detections
from labelfree.errors import RecipeError
from labelfree.transfer.alarms import ANY_CLASS, BoxAlarms, Counts
from labelfree.transfer.question import Question
from labelfree.transfer.selection import inner_halves
from labelfree.transfer.tasks.detection import NOTHING
from tests.transfer.detections import TASK, Pair, answers, coco, example, targets

CLASSES = 2


def alarms_on(images: list[Pair], groups: np.ndarray | None = None) -> BoxAlarms:
    return TASK.alarms(answers(images, CLASSES), ANY_CLASS, np.arange(len(images)) if groups is None else groups)


def false_by_hand(found: Detections, drawn: Boxes) -> int:
    """Boxes that match no object of their class by half and lie in no region that is ignored, the surest first, in plain loops."""
    taken, false = set[int](), 0
    for at in np.argsort(-found.score, kind="stable"):
        x0, y0, x1, y1 = found.corners[at].astype(float).tolist()
        best, aside = (0.5, -1), False
        for place, (left, top, right, bottom) in enumerate(drawn.corners.astype(float).tolist()):
            both = max(0.0, min(x1, right) - max(x0, left)) * max(0.0, min(y1, bottom) - max(y0, top))
            own, its = (x1 - x0) * (y1 - y0), (right - left) * (bottom - top)
            if drawn.ignored[place]:
                aside |= drawn.label[place] in (found.label[at], ANY) and both / own >= 0.5
            elif drawn.label[place] == found.label[at] and place not in taken:
                best = max(best, (both / (own + its - both), place))
        if best[1] >= 0:
            taken.add(best[1])
        elif not aside:
            false += 1
    return false


@given(st.integers(0, 10_000), st.floats(0, 3), st.booleans())
@settings(max_examples=40, deadline=None)
def test_a_threshold_allows_no_more_false_boxes_than_asked_and_no_fewer(seed: int, most: float, ties: bool) -> None:
    alarms = alarms_on(example(seed, 8, CLASSES, ties))
    threshold = alarms.threshold(most)
    assert (threshold is None) == (alarms.objects == 0)
    if threshold is not None:
        assert alarms.at(threshold).raised <= most * 8 + 1e-6
        quieter = alarms.false[alarms.false < threshold]
        if len(quieter):  # the next false box would be one too many
            assert alarms.at(float(quieter.max())).raised > most * 8 - 1e-6


@given(st.integers(0, 10_000), st.floats(0.05, 0.95))
@settings(max_examples=25, deadline=None)
def test_what_a_threshold_misses_and_finds_wrongly_is_what_coco_says_of_the_boxes_that_are_left(seed: int, threshold: float) -> None:
    """Misses by faster-coco-eval's recall at half, false boxes in plain loops."""
    images = example(seed, 6, CLASSES)
    left = [(found[found.score.astype(np.float64) >= threshold], drawn) for found, drawn in images]  # else 0.95 would be rounded with them
    objects = np.bincount(np.concatenate([drawn.objects.label for _, drawn in images]), minlength=CLASSES)
    recall = coco(left, CLASSES).eval["recall"][0, :, 0, -1] if any(len(found) for found, _ in left) else np.zeros(CLASSES)
    hits = round(float((objects * np.maximum(recall, 0)).sum()))
    false = [false_by_hand(found, drawn) for found, drawn in left]
    told = alarms_on(images).at(threshold)
    assert told == Counts(objects.sum() - hits, objects.sum(), sum(map(bool, false)), 6, sum(false))


def test_what_is_counted_by_hand() -> None:
    """Two pictures of one place, one of another without objects: a hit, a second box on it, a false one, one in an ignored region."""
    drawn = Boxes.of([[0, 0, 10, 10], [40, 40, 60, 60], [80, 80, 99, 99]], [0, 1, ANY], [False, False, True])
    found = Detections.of([[0, 0, 10, 10], [1, 0, 10, 10], [20, 20, 30, 30], [82, 82, 90, 90]], [0, 0, 1, 1], [0.9, 0.8, 0.7, 0.6])
    empty = (Detections.of([[5, 5, 9, 9]], [1], [0.5]), Boxes.none())
    images = [(found, drawn), (Detections.none(), Boxes.none()), empty]
    alarms = alarms_on(images, np.array(["a", "a", "b"]))
    assert alarms.at(0.0) == Counts(missed=1, positives=2, false_alarms=2, negatives=2, raised=3)
    assert alarms.at(0.75) == Counts(missed=1, positives=2, false_alarms=1, negatives=2, raised=1)
    assert alarms.threshold(0.5) == pytest.approx(0.75)  # one false box in two places
    assert alarms.threshold(0.0) == pytest.approx(0.85) and alarms.threshold(2.0) == 0.0


def test_without_objects_there_is_nothing_to_set_a_threshold_by() -> None:
    assert alarms_on([(Detections.of([[5, 5, 9, 9]], [1], [0.5]), Boxes.none())]).threshold(1.0) is None


def test_one_threshold_is_for_boxes_of_every_class() -> None:
    two, one = targets([Boxes.none()], 2), targets([Boxes.none()], 1)
    assert TASK.alarm(two, "auto") == ANY_CLASS and TASK.alarm(one, "class 0") == ANY_CLASS
    with pytest.raises(RecipeError, match="evaluate.alarm: in detection a box of any class is an alarm; leave it out"):
        TASK.alarm(two, "class 0")


def test_words_name_what_is_counted() -> None:
    words = BoxAlarms.words("", 0.05, "image")
    assert words.bound == "there would be at most 0.05 false boxes an image" and words.raised == "false boxes an image"
    assert BoxAlarms.words("", 2, "group").false == "groups with a false box"


@given(st.lists(st.tuples(st.sampled_from([NOTHING, "boat", "mill"]), st.integers(0, 6)), min_size=1, max_size=20), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_halves_both_show_objects_and_share_no_group(rows: list[tuple[str, int]], seed: int) -> None:
    strata, groups = zip(*rows, strict=True)
    places = {group for stratum, group in rows if stratum != NOTHING}
    assume(places)  # without any object no question is asked
    question = asked(strata, groups)
    made = inner_halves(question, np.arange(len(rows)), seed)
    assert made is not None if len(places) > 1 else made is None
    for learn, judge in made or ():
        assert sorted([*learn, *judge]) == list(range(len(rows)))
        assert any(strata[at] != NOTHING for at in learn)
        assert not {groups[at] for at in learn} & {groups[at] for at in judge}
    if made is not None:
        assert len(made) == 2 and sorted(np.concatenate([judge for _, judge in made])) == list(range(len(rows)))


def asked(strata: tuple[str, ...], groups: tuple[int, ...]) -> Question:
    rows = np.arange(len(strata))
    taught = tuple(frozenset([each] if each != NOTHING else []) for each in strata)
    return Question(
        dataset="made-up", split="dev", task=TASK, ids=tuple(map(str, rows)), groups=tuple(map(str, groups)), strata=strata,
        targets=targets([Boxes.none()] * len(rows), 1), train=rows, score=None, taught=taught,
    )  # fmt: skip
