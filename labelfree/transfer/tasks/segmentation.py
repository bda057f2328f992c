"""Segmentation: a class a pixel. An answer keeps what was called what, counted image by image; no metric reads an image again."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa

from labelfree.data.label_formats.listed import BACKGROUND
from labelfree.data.pixel_labels import has_area
from labelfree.domain import IGNORE, Row
from labelfree.errors import DataError
from labelfree.recipe import MAP_PROTOCOLS
from labelfree.transfer.question import Question
from labelfree.transfer.tasks import confusion
from labelfree.transfer.tasks.base import Metric, Targets, Task, flat
from labelfree.transfer.tasks.boundaries import boundaries, of_boundaries
from labelfree.transfer.tasks.instances import matched, watershed
from labelfree.transfer.tasks.masks import Kept, Masks
from labelfree.transfer.tasks.shares import mean_share
from labelfree.transfer.tasks.weights import Weights
from labelfree.transfer.words import BudgetWords

if TYPE_CHECKING:
    from labelfree.data.pixel_labels import PixelLabels
    from labelfree.data.set_labels import SetLabels
    from labelfree.transfer.tasks.base import LabelledImages

NOTHING = "nothing"  # the stratum of images that show background alone
NAMED = 3  # classes that a picture's caption names
SPACING, APART, GROUND = "the size of a pixel", "objects told apart", "background around objects"  # what a metric may need to be known
SEVERAL = "several classes of objects"
SHORT = {"metre": "m", "meter": "m", "millimetre": "mm", "millimeter": "mm"}


def mean_aji(answers: pa.Table, weights: Weights) -> np.ndarray:
    """Mean over the images of which it is known."""
    numbers = answers["aji"].to_numpy().astype(np.float64)
    return weights.mean(numbers, np.isfinite(numbers))


def panoptic_quality(answers: pa.Table, weights: Weights) -> np.ndarray:
    """Mean of the classes that have or were called objects, of all images together (Kirillov et al. 2019, eq. 1)."""
    told = answers["objects"].is_valid().to_numpy()
    if not told.any():
        return np.full(len(weights), np.nan)
    tallies = np.zeros((len(told), len(answers["objects"].drop_null()[0])))
    tallies[told] = flat(answers["objects"].drop_null())
    found, false, missed, overlap = np.moveaxis(weights.column_sums(tallies).reshape(len(weights), -1, 4), -1, 0)
    return mean_share(overlap, found + (false + missed) / 2)


class Segmentation(Task):
    """Masks, or objects drawn with an area, say what pixels show. `labels`: what they say of the rows that the task is asked `over`."""

    name = "segmentation"
    columns = ("mask",)
    metrics: ClassVar[dict[str, Metric]] = {
        "mean_iou": Metric("mean_iou", confusion.mean_iou, "mean IoU", title="mean intersection over union"),
        "dice": Metric("dice", confusion.dice, "Dice", title="Dice, pixels of all images together"),
        "dice_per_image": Metric("dice_per_image", confusion.dice_per_image, "Dice an image", title="Dice, mean over images with objects"),
        "accuracy": Metric("accuracy", confusion.accuracy, "pixel accuracy", title="overall pixel accuracy"),
        "empty_kept": Metric("empty_kept", confusion.empty_kept, "images without objects called so", needs=GROUND),
        "absent_kept": Metric("absent_kept", confusion.absent_kept, "absent classes called absent", needs=SEVERAL),
        "boundary_f": Metric("boundary_f", of_boundaries("boundary_f"), "boundary F-score", needs=SPACING),
        "boundary_distance": Metric(
            "boundary_distance", of_boundaries("boundary_distance"), "mean boundary distance", "", higher_is_better=False, needs=SPACING
        ),
        "hd95": Metric("hd95", of_boundaries("hd95"), "HD95", "", False, title="95 % Hausdorff distance", needs=SPACING),
        "surface_dice": Metric("surface_dice", of_boundaries("surface_dice"), "surface Dice", needs=SPACING),
        "pq": Metric("pq", panoptic_quality, "PQ", title="panoptic quality", needs=APART),
        "aji": Metric("aji", mean_aji, "AJI", title="aggregated Jaccard index, mean over images with objects", needs=APART),
    }
    protocols = ("linear", "frozen", "finetune", "emergent", "emergent_cut")
    advised_protocols = ("linear", "frozen")
    protocol_group = MAP_PROTOCOLS
    counts_in_all = True
    counted = "pixels"
    class_shares: ClassVar[dict[str, str]] = {"IoU": "iou", "Dice": "dice"}
    empty_stratum = NOTHING
    budget = BudgetWords("labelled image", "labelled images", all="all labelled images")
    answer_schema = pa.schema(
        [
            ("confusion", pa.list_(pa.int64())),  # K * K pixels, by [truth, called]
            ("background", pa.bool_()),  # whether the first class is no object
            ("boundaries", pa.list_(pa.float64())),  # of each class of objects the fields of `Boundary`; from here on null where not known
            ("objects", pa.list_(pa.float64())),  # K * 4: found, false, missed, sum of the found ones' intersections over unions
            ("aji", pa.float64()),
        ]
    )

    def __init__(self) -> None:
        self.labels: PixelLabels | None = None
        self.images_with: Mapping[str, int] = {}  # class -> images that show it

    def over(self, rows: Sequence[Row], labels: SetLabels) -> Segmentation:
        bound = copy.copy(self)
        bound.labels = labels.pixels([row for row in rows if self.labelled(row)])
        bound.images_with = Counter(name for seen in bound.labels.pixels.values() for name, pixels in seen.items() if pixels)
        return bound

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the numbers in masks."""
        return tuple(self._known.classes)

    @property
    def _known(self) -> PixelLabels:
        if self.labels is None:
            raise ValueError("Segmentation knows no labels yet; ask Segmentation().over(rows, labels).")
        return self.labels

    def labelled(self, row: Row) -> bool:
        if self.labels is not None and row.id not in self.labels.pixels:
            return False  # faulty, which was told, or all of it unknown
        return has_area(row) or (row.listed is not None and row.listed.negative)

    def asked_by(self, rows: Sequence[Row]) -> bool:
        """An image without objects is background where others show what an object's pixels are."""
        return any(map(has_area, rows))

    def present(self, row: Row) -> list[str]:
        """Classes that a labelled row shows, those of most pixels first, then by name."""
        seen = {name: pixels for name, pixels in self._known.pixels.get(row.id, {}).items() if pixels}
        return sorted(seen, key=lambda name: (-seen[name], name))

    def objects(self, row: Row) -> list[str]:
        """The same without the background."""
        return [name for name in self.present(row) if name != BACKGROUND]

    def stratum(self, row: Row) -> str:
        """The rarest class of objects that it shows: that of the fewest images."""
        return min(self.objects(row), key=lambda name: (self.images_with[name], name), default=NOTHING)

    def taught(self, row: Row) -> frozenset[str]:
        """Every class of objects on it; background is learnt from any image."""
        return frozenset(self.objects(row))

    def targets(self, rows: Sequence[Row], images: LabelledImages | None = None) -> Masks:
        if images is None:
            raise ValueError("Masks lie on the pixels of images; none were given.")
        labels, read = self._known, images.read
        spacing = images.pool.index.spacing[images.pool.row_of]
        unit = read(rows[0]).tags.get("spacing_unit", "") if np.isfinite(spacing).all() else ""
        measured = unit != "" and "degree" not in unit.lower()
        one_of_each = {row.mask is None: row for row in rows}.values()  # what is drawn, and masks of a set, tell objects apart or do not
        apart = any(labels.instances(row, read(row)) is not None for row in one_of_each)
        load = Kept(lambda entry: labels.mask(rows[entry], read(rows[entry])))

        def objects(entry: int) -> np.ndarray:
            told = labels.instances(rows[entry], read(rows[entry]))
            return np.full(load(entry).shape, IGNORE, dtype=np.int32) if told is None else told

        return Masks(
            np.arange(len(rows)),
            len(labels.classes),
            names=self.classes,
            load=load,
            objects=Kept(objects) if apart else None,
            spacing=spacing if measured else None,
            unit=SHORT.get(unit.lower(), unit) if measured else "",
            tolerance=(images.tolerance or float(np.median(spacing.max(1)))) if measured else 0.0,
            digest=labels.digest,
        )

    def metrics_of(self, targets: Targets) -> Mapping[str, Metric]:
        assert isinstance(targets, Masks)
        known = {"": True, SPACING: targets.spacing is not None, APART: targets.objects is not None, GROUND: targets.background}
        known[SEVERAL] = len(targets.foreground) > 1
        told = {name: replace(metric, unit=metric.unit or targets.unit) for name, metric in self.metrics.items() if known[metric.needs]}
        if (surface := told.get("surface_dice")) is not None:
            told["surface_dice"] = replace(surface, words=f"{surface.words} within {targets.tolerance:g} {targets.unit}")
        return told

    def check_split(self, train: Sequence[Row], score: Sequence[Row] | None) -> None:
        """Every scored class must be on train images to be learnt, and there must be two."""
        known, asked = (Counter(name for row in rows for name in self.present(row)) for rows in (train, score or ()))
        unknown = sorted(name for name in asked if name not in known)
        if unknown:
            raise DataError(
                f"Class {unknown[0]!r} is on {asked[unknown[0]]} scored images and on no train image; label some, or leave the class out."
            )
        if len(known) < 2:
            only = next(iter(known), BACKGROUND)
            if only == BACKGROUND:
                raise DataError(
                    f"None of the {len(train):,} train images shows an object, all is background: with images without objects alone "
                    "there is nothing to tell apart. Label some that do, or let these be the images that are normal (data.normal)."
                )
            raise DataError(f"All labelled pixels are of one class ({only}); segmentation needs two. Is what lies around it labelled?")

    def check(self, question: Question) -> None:
        targets = question.targets
        assert isinstance(targets, Masks)
        if targets.width < 2:
            only = ", ".join(targets.names) or "none"
            raise DataError(f"{question.dataset}: pixels of one class only ({only}). Segmentation needs two classes or more.")
        if set(question.strata_of(question.train)) == {NOTHING}:
            raise DataError(f"{question.dataset}: no image to learn from shows an object. Label some that do.")

    def answers(self, output: Iterable[np.ndarray], targets: Targets) -> pa.Table:
        """Called classes, (*spatial) positions of each image in turn, beside its mask; one image is held at a time."""
        assert isinstance(targets, Masks)
        rows = [_answer(called, int(entry), targets) for called, entry in zip(output, targets.values, strict=True)]
        return pa.Table.from_pylist(rows, schema=self.answer_schema)

    def confusion(self, answers: pa.Table) -> np.ndarray:
        """(K, K) known pixels of all images."""
        table: np.ndarray = confusion.confusions(answers).sum(0)
        return table

    def advised_metric(self, train: Sequence[Row]) -> tuple[str, str]:
        if self.labels is not None and len(self.classes) == 2 and BACKGROUND in self.classes:
            return "dice", "one class against background"
        return "mean_iou", "usual for segmentation: each class counts alike, however few its pixels"

    def summary(self, rows: Sequence[Row]) -> str:
        objects = [name for name in self.classes if name != BACKGROUND]
        if len(objects) == len(self.classes):
            return f"{self.name} into {len(objects)} classes"
        return f"{self.name} of {f'{objects[0]!r}' if len(objects) == 1 else f'{len(objects)} classes'} against background"

    def caption(self, row: Row) -> str:
        """What is on it, most pixels first."""
        seen = self.objects(row)
        return ", ".join(seen[:NAMED]) + (" …" if len(seen) > NAMED else "") or NOTHING

    def rarest(self, answers: pa.Table) -> int:
        """Scored images that show the rarest class."""
        shown = (confusion.Overlap.of_images(answers).objects.support > 0).sum(0)
        return int(shown[shown > 0].min(initial=len(answers)))

    def legend(self, targets: Targets) -> list[str]:
        assert isinstance(targets, Masks)
        return list(targets.names)


def _answer(called: np.ndarray, entry: int, targets: Masks) -> dict[str, Any]:
    """One image's columns of `answer_schema`."""
    truth = targets.load(entry)
    table = confusion.confusion(truth, called, targets.width)
    columns: dict[str, Any] = {"confusion": table.ravel().tolist(), "background": targets.background}
    spacing = None if targets.spacing is None else targets.spacing[entry].tolist()
    if spacing is not None:
        columns["boundaries"] = np.ravel(boundaries(truth, called, targets.foreground, spacing, targets.tolerance)).tolist()
    if targets.objects is not None:
        objects = targets.objects(entry)
        found = matched(objects, truth, watershed(called, targets.foreground, spacing), called, targets.width)
        intersection, union = found.jaccard
        columns |= {"objects": found.tallies.ravel().tolist(), "aji": intersection / union if (objects > 0).any() else None}
    return columns
