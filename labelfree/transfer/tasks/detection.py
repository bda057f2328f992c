"""Detection: a box around each object. An answer keeps which boxes matched what, image by image; no metric looks at a box again."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa

from labelfree.data.box_labels import drawn_on
from labelfree.data.boxes import Boxes, Detections
from labelfree.data.pixel_labels import has_area
from labelfree.domain import Default, Row
from labelfree.errors import DataError, RecipeError
from labelfree.recipe import BOX_PROTOCOLS
from labelfree.transfer.alarms import ANY_CLASS, BoxAlarms
from labelfree.transfer.question import Question
from labelfree.transfer.tasks.average_precision import class_precisions, mean_precision, precision_curves
from labelfree.transfer.tasks.base import Metric, Targets, Task, flat
from labelfree.transfer.tasks.box_matches import FALSE, MATCHED, MOST, OVERLAPS, SIZES, matches, object_counts
from labelfree.transfer.tasks.weights import Weights
from labelfree.transfer.words import BudgetWords

if TYPE_CHECKING:
    from labelfree.data.box_labels import BoxLabels
    from labelfree.data.set_labels import SetLabels
    from labelfree.transfer.tasks.base import LabelledImages

NOTHING = "nothing"  # the stratum of images without objects
NAMED = 3  # classes that a picture's caption names
SIZED = {
    "small": "objects below 32 × 32 pixels",
    "medium": "objects between 32 × 32 and 96 × 96 pixels",
    "large": "objects above 96 × 96 pixels",
}  # what a metric of one size needs


@dataclass(frozen=True)
class BoxTargets(Targets):
    """`values`: (n,) positions of entries of the evaluation pool; the rest is asked by entry. `width`: classes, called `names`.

    `load`: what is drawn on an entry, in pixels of what is read of it. `digest`: identity of all boxes.
    """

    names: tuple[str, ...] = ()
    load: Callable[[int], Boxes] = field(default=lambda entry: Boxes.none(), compare=False)
    digest: str = ""

    @property
    def content(self) -> str:
        return self.digest

    def __getitem__(self, rows: np.ndarray) -> BoxTargets:
        return replace(self, values=self.values[rows])


def precision_of(size: str = "all", levels: Sequence[int] = range(len(OVERLAPS))) -> Callable[[pa.Table, Weights], np.ndarray]:
    """A metric: mean average precision over the classes with objects of a size, boxes being found at some of `OVERLAPS`."""
    return partial(mean_precision, size=size, levels=levels)


class Detection(Task):
    """Drawn boxes, and those around outlines and numbered objects. `labels`: what they say of the rows that the task is asked `over`."""

    name = "detection"
    columns = ("boxes",)
    metrics: ClassVar[dict[str, Metric]] = {
        "map": Metric("map", precision_of(), "mAP", title="average precision, mean over overlaps of 50 to 95 %"),
        "ap50": Metric("ap50", precision_of(levels=[0]), "AP50", title="average precision at overlaps of 50 % and more"),
        "ap75": Metric("ap75", precision_of(levels=[5]), "AP75", title="average precision at overlaps of 75 % and more"),
        "ap_small": Metric("ap_small", precision_of("small"), "mAP of small objects", needs=SIZED["small"]),
        "ap_medium": Metric("ap_medium", precision_of("medium"), "mAP of medium objects", needs=SIZED["medium"]),
        "ap_large": Metric("ap_large", precision_of("large"), "mAP of large objects", needs=SIZED["large"]),
    }
    curves: ClassVar[dict[str, Callable[[pa.Table], Sequence[np.ndarray | None]]]] = {
        "overlaps of 50 % and more": partial(precision_curves, overlap=0.5),
        "overlaps of 75 % and more": partial(precision_curves, overlap=0.75),
    }
    class_metrics: ClassVar[dict[str, Callable[[pa.Table, Weights], np.ndarray]]] = {
        "mAP": class_precisions,
        "AP50": partial(class_precisions, levels=[0]),
    }
    protocols = ("frozen", "retinanet", "faster_rcnn", "finetune")
    advised_protocols = ("frozen",)
    protocol_group = BOX_PROTOCOLS
    counts_in_all = True
    empty_stratum = NOTHING
    budget = BudgetWords("labelled image", "labelled images", all="all labelled images")
    answer_schema = pa.schema(
        [
            ("score", pa.list_(pa.float32())),  # of n detections, falling
            ("label", pa.list_(pa.int64())),  # n positions of classes
            ("corners", pa.list_(pa.float32())),  # n * 4: x0, y0, x1, y1
            ("matches", pa.list_(pa.int8())),  # n * sizes * overlaps: 1 matches an object, 0 is false, -1 does not count
            ("objects", pa.list_(pa.int64())),  # classes * sizes: objects to be found
            ("drawn", pa.list_(pa.float32())),  # m * 4: what is drawn
            ("drawn_label", pa.list_(pa.int64())),  # m positions of classes, -1 of regions that are ignored for all
            ("drawn_ignored", pa.list_(pa.bool_())),  # m
        ]
    )

    def __init__(self) -> None:
        self.labels: BoxLabels | None = None
        self.images_with: Mapping[str, int] = {}  # class -> images that show it

    def over(self, rows: Sequence[Row], labels: SetLabels) -> Detection:
        bound = copy.copy(self)
        bound.labels = labels.boxes([row for row in rows if self.labelled(row)])
        bound.images_with = Counter(name for seen in bound.labels.objects.values() for name in seen)
        return bound

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of their numbers."""
        return self._known.classes

    @property
    def _known(self) -> BoxLabels:
        if self.labels is None:
            raise ValueError("Detection knows no labels yet; ask Detection().over(rows, labels).")
        return self.labels

    def labelled(self, row: Row) -> bool:
        if self.labels is not None:
            return row.id in self.labels.objects  # what is faulty was told
        return drawn_on(row) or row.mask is not None

    def asked_by(self, rows: Sequence[Row]) -> bool:
        """Where a set has boxes alone: who draws outlines or masks wants them back, unless detection is asked by name."""
        boxed = any(row.listed is not None and any(each.box is not None for each in row.listed.drawn) for row in rows)
        return boxed and not any(map(has_area, rows))

    def present(self, row: Row) -> list[str]:
        """Classes of which a labelled row shows objects, those of most objects first, then by name."""
        seen = self._known.objects.get(row.id, {})
        return sorted(seen, key=lambda name: (-seen[name], name))

    def stratum(self, row: Row) -> str:
        """The rarest class that it shows: that of the fewest images."""
        return min(self.present(row), key=lambda name: (self.images_with[name], name), default=NOTHING)

    def taught(self, row: Row) -> frozenset[str]:
        return frozenset(self.present(row))

    def targets(self, rows: Sequence[Row], images: LabelledImages | None = None) -> BoxTargets:
        known = self._known
        return BoxTargets(
            np.arange(len(rows)), len(known.classes), known.classes, load=lambda entry: known.boxes(rows[entry]), digest=known.digest
        )

    def metrics_of(self, targets: Targets) -> Mapping[str, Metric]:
        assert isinstance(targets, BoxTargets)
        there = sum((object_counts(targets.load(int(entry)), targets.width) for entry in targets.values), np.zeros(len(SIZES))).sum(0)
        known = {"": True, **{SIZED[size]: count > 0 for size, count in zip(SIZES, there, strict=True) if size in SIZED}}
        return {name: metric for name, metric in self.metrics.items() if known[metric.needs]}

    def check_split(self, train: Sequence[Row], score: Sequence[Row] | None) -> None:
        """Some train image must show an object, and one of every scored class."""
        known, asked = (Counter(name for row in rows for name in self.present(row)) for rows in (train, score or ()))
        if not known:
            raise DataError(
                f"None of the {len(train):,} train images shows an object: with images without objects alone there is nothing to detect. "
                "Label some that do, or let these be the images that are normal (data.normal)."
            )
        if unknown := sorted(name for name in asked if name not in known):
            raise DataError(
                f"Class {unknown[0]!r} is on {asked[unknown[0]]} scored images and on no train image; label some, or leave the class out "
                f"with data.classes={{{unknown[0]}: ignore}}."
            )

    def check(self, question: Question) -> None:
        for rows, what in ((question.train, "learn from"), (question.score, "be scored")):
            if rows is not None and set(question.strata_of(rows)) == {NOTHING}:
                raise DataError(f"{question.dataset}: no image to {what} shows an object. Label some that do.")

    def answers(self, output: Iterable[Detections], targets: Targets) -> pa.Table:
        """What was found on each image in turn, beside what is drawn on it; the strongest `MOST` count."""
        assert isinstance(targets, BoxTargets)
        rows = [
            _answer(found.strongest(MOST), targets.load(int(entry)), targets.width)
            for found, entry in zip(output, targets.values, strict=True)
        ]
        return pa.Table.from_pylist(rows, schema=self.answer_schema)

    def alarm(self, targets: Targets, name: str) -> int:
        """Of any class: one threshold is for the boxes of all of them."""
        assert isinstance(targets, BoxTargets)
        if name != "auto" and targets.names != (name,):
            raise RecipeError("evaluate.alarm: in detection a box of any class is an alarm; leave it out.")
        return ANY_CLASS

    def alarms(self, answers: pa.Table, positive: int, groups: np.ndarray) -> BoxAlarms:
        """A box is right that overlaps an object of its class by half, each object's surest one; what is ignored is neither."""
        scores, said = (answers[name].combine_chunks() for name in ("score", "matches"))
        image, score = np.repeat(np.arange(len(answers)), scores.value_lengths()), scores.flatten().to_numpy().astype(np.float64)
        matched = said.flatten().to_numpy().reshape(-1, len(SIZES), len(OVERLAPS))[:, 0, 0]
        objects = int(flat(answers["objects"]).reshape(len(answers), -1, len(SIZES))[:, :, 0].sum())
        units, places = np.unique(groups, return_inverse=True)
        false = matched == FALSE
        return BoxAlarms(score[matched == MATCHED], objects, score[false], places[image[false]], len(units))

    def advised_metric(self, train: Sequence[Row]) -> tuple[str, str]:
        return "map", "usual for detection: each class counts alike, and a box the more the better it fits"

    def advised_false_alarms(self, train: Sequence[Row]) -> Default | None:
        """Where images without objects are listed: whoever lists them has such images, and a box on one is an alarm."""
        empty = sum(self.stratum(row) == NOTHING for row in train)
        return Default(0.2, f"so many false boxes an image on the mean; {empty:,} without objects are listed") if empty else None

    def summary(self, rows: Sequence[Row]) -> str:
        only = len(self.classes) == 1
        return f"{self.name} of {f'{self.classes[0]!r}' if only else f'{len(self.classes)} classes'}"

    def caption(self, row: Row) -> str:
        """What is on it, most objects first."""
        seen = self._known.objects.get(row.id, {})
        names = self.present(row)
        return ", ".join(f"{seen[name]} {name}" for name in names[:NAMED]) + (" …" if len(names) > NAMED else "") or NOTHING

    def rarest(self, answers: pa.Table) -> int:
        """Scored images that show the rarest class."""
        shown = (flat(answers["objects"]).reshape(len(answers), -1, len(SIZES))[:, :, 0] > 0).sum(0)
        return int(shown[shown > 0].min(initial=len(answers)))

    def legend(self, targets: Targets) -> list[str]:
        assert isinstance(targets, BoxTargets)
        return list(targets.names)


def _answer(found: Detections, drawn: Boxes, classes: int) -> dict[str, Any]:
    """One image's columns of `answer_schema`."""
    columns = {
        "score": found.score,
        "label": found.label,
        "corners": found.corners,
        "matches": matches(found, drawn),
        "objects": object_counts(drawn, classes),
        "drawn": drawn.corners,
        "drawn_label": drawn.label,
        "drawn_ignored": drawn.ignored,
    }
    return {name: np.ascontiguousarray(numbers).ravel() for name, numbers in columns.items()}
