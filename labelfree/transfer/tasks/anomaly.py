"""Anomaly: what is not as normal images are. Heads learn from normal images alone; others are there to be told from them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
import pyarrow as pa

from labelfree.data.label_formats.listed import BACKGROUND
from labelfree.data.normal import is_normal
from labelfree.data.pixel_labels import has_area
from labelfree.domain import IGNORE, Default, Row
from labelfree.errors import DataError, RecipeError
from labelfree.recipe import PATCH_PROTOCOLS
from labelfree.transfer.alarms import BinaryAlarms, NormalAlarms
from labelfree.transfer.question import Question
from labelfree.transfer.tasks.base import Metric, Targets, Task
from labelfree.transfer.tasks.heat_counts import LIMIT, HeatCounts, aupro, pixel_precision, steps_between
from labelfree.transfer.tasks.masks import Kept
from labelfree.transfer.tasks.ranking import area_under_roc, average_precision
from labelfree.transfer.tasks.weights import Weights
from labelfree.transfer.words import BudgetWords

if TYPE_CHECKING:
    from labelfree.data.pixel_labels import PixelLabels
    from labelfree.data.set_labels import SetLabels
    from labelfree.transfer.tasks.base import LabelledImages

NORMAL, ANOMALOUS = "normal", "anomalous"
OUTLINED = "masks or outlines of what is wrong"
SHOWN = 6  # names in a sentence
FEWEST = 2  # normal images, or groups of them, that are learned from
SAMPLED, LOOKED_AT = 4096, 256  # pixels of an image that steps of scores are chosen by, and images

RATES = np.linspace(0, 1, 101)  # of false alarms, that a curve is drawn at


class Predicted(Protocol):
    """What a head says of images in turn: a score of each, and a map (*spatial) of where it comes from, NaN where nothing is measured."""

    def __len__(self) -> int: ...

    def score(self, at: int) -> float: ...

    def heat(self, at: int) -> np.ndarray: ...


@dataclass(frozen=True)
class Verdicts(Targets):
    """`values`: (n,) positions of entries of the evaluation pool; the rest is asked by entry.

    `anomalous`: (entries,) bool. `outlined`: (entries,) bool, whether it is known which pixels of them are wrong; of normal ones none is.
    `load`: (*spatial) int8 of an anomalous entry that is outlined: 1 what is wrong, 0 what is not, IGNORE. `digest`: identity of all of it.
    """

    anomalous: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    outlined: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    load: Callable[[int], np.ndarray] = field(default=lambda entry: np.empty(0), compare=False)
    digest: str = ""

    @property
    def content(self) -> str:
        return self.digest

    @property
    def by_pixels(self) -> bool:
        """Whether any of these shows where something is wrong."""
        return bool((self.anomalous & self.outlined)[self.values].any())

    def __getitem__(self, rows: np.ndarray) -> Verdicts:
        return replace(self, values=self.values[rows])

    def truth(self, entry: int, shape: Sequence[int]) -> np.ndarray:
        """(*shape) as `load` gives it."""
        return self.load(entry) if self.anomalous[entry] else np.zeros(tuple(shape), np.int8)


def image_auroc(answers: pa.Table, weights: Weights) -> np.ndarray:
    """Area under the ROC curve of images; NaN where one kind is missing."""
    return _ranked(area_under_roc, answers, weights)


def image_precision(answers: pa.Table, weights: Weights) -> np.ndarray:
    """Average precision of images, the anomalous ones being looked for; NaN where there are none."""
    return _ranked(average_precision, answers, weights)


def _ranked(rank: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray], answers: pa.Table, weights: Weights) -> np.ndarray:
    scores, positive = answers["score"].to_numpy(), answers["anomalous"].to_numpy()
    return np.concatenate([rank(scores, positive, lines) for lines in weights.lines()])


class Anomaly(Task):
    """Whether anything is wrong with an image, and where. Rows say it themselves (`is_normal`), else their masks do.

    `labels`: what masks and outlines say of the rows that the task is asked `over`.
    """

    name = "anomaly"
    columns = ()
    metrics: ClassVar[dict[str, Metric]] = {
        "auroc": Metric("auroc", image_auroc, "AUROC", title="area under the ROC curve of images"),
        "ap": Metric("ap", image_precision, "AP", title="average precision of images"),
        "aupro": Metric(
            "aupro", aupro, "AUPRO", title=f"area under the per-region overlap, up to {LIMIT:.0%} false-positive pixels", needs=OUTLINED
        ),
        "pixel_ap": Metric("pixel_ap", pixel_precision, "pixel AP", title="average precision of pixels", needs=OUTLINED),
    }
    protocols = ("coreset", "coreset_weighed")
    advised_protocols = ("coreset",)
    protocol_group = PATCH_PROTOCOLS
    learnt = (NORMAL,)
    budget = BudgetWords("normal image", "normal images", all="all normal images", stratum="kind of image")
    answer_schema = pa.schema(
        [
            ("anomalous", pa.bool_()),
            ("score", pa.float64()),
            ("wrong", pa.list_(pa.int32())),  # from here on the fields of `HeatCounts`; null where nobody knows which pixels are wrong
            ("normal", pa.list_(pa.int32())),
            ("overlap", pa.list_(pa.float32())),
            ("regions", pa.int32()),
        ]
    )

    def __init__(self) -> None:
        self.labels: PixelLabels | None = None

    def over(self, rows: Sequence[Row], labels: SetLabels) -> Anomaly:
        bound = copy.copy(self)
        marked = [row for row in rows if has_area(row)]
        bound.labels = labels.pixels(marked) if marked else None
        return bound

    def asked_by(self, rows: Sequence[Row]) -> bool:
        """By name alone: labels that tell anomalies from normal images are also classes, masks or boxes."""
        return False

    def normal(self, row: Row) -> bool | None:
        """Whether nothing is wrong with what a row shows; None where nobody said and no mask shows it."""
        said = is_normal(row)
        if said is not None or self.labels is None or row.id not in self.labels.pixels:
            return said
        return not any(pixels for name, pixels in self.labels.pixels[row.id].items() if name != BACKGROUND)

    def labelled(self, row: Row) -> bool:
        return self.normal(row) is not None or (self.labels is None and has_area(row))

    def stratum(self, row: Row) -> str:
        return NORMAL if self.normal(row) else ANOMALOUS

    def taught(self, row: Row) -> frozenset[str]:
        """Normal images teach what is normal, others nothing."""
        return frozenset([NORMAL] if self.normal(row) else [])

    def targets(self, rows: Sequence[Row], images: LabelledImages | None = None) -> Verdicts:
        if images is None:
            raise ValueError("Masks lie on the pixels of images; none were given.")
        labels, read = self.labels, images.read
        anomalous = np.array([not self.normal(row) for row in rows], bool)
        shown = {} if labels is None else labels.pixels
        outlined = ~anomalous | np.array([row.id in shown for row in rows], bool)

        def load(entry: int) -> np.ndarray:
            assert labels is not None
            mask, ground = (
                labels.mask(rows[entry], read(rows[entry])),
                labels.classes.index(BACKGROUND) if BACKGROUND in labels.classes else None,
            )
            return np.where(mask == IGNORE, IGNORE, mask != ground).astype(np.int8)

        digest = "" if labels is None else labels.digest
        return Verdicts(np.arange(len(rows)), 2, anomalous, outlined, Kept(load), digest)

    def metrics_of(self, targets: Targets) -> Mapping[str, Metric]:
        assert isinstance(targets, Verdicts)
        return {name: metric for name, metric in self.metrics.items() if not metric.needs or targets.by_pixels}

    def unlearnable(self, rows: Sequence[Row]) -> str:
        if any(map(self.labelled, rows)):
            return ""
        classes = sorted({row.label for row in rows if row.label is not None})
        folders = sorted({PurePosixPath(row.id).parent.name for row in rows} - {""})
        meant = "; ".join(f"{what}: {', '.join(names[:SHOWN])}" for what, names in (("classes", classes), ("folders", folders)) if names)
        return f"no image is known as normal; say which are with data.normal=NAME{f' ({meant})' if meant else ''}."

    def check_split(self, train: Sequence[Row], score: Sequence[Row] | None) -> None:
        if not any(map(self.normal, train)):
            raise DataError(
                f"None of the {len(train):,} train images is normal, so there is nothing to learn from; name some with data.normal=DIR."
            )

    def check(self, question: Question) -> None:
        normal = question.teaching(question.train)
        if len(np.unique(question.group_names[normal])) < FEWEST:
            raise DataError(
                f"{question.dataset}: {len(normal)} normal images in one group to learn from, two groups are needed; add normal images."
            )

    def answers(self, output: Predicted, targets: Targets) -> pa.Table:
        """A score of each image, and where anything is outlined what its map says of pixels; one map is held at a time."""
        assert isinstance(targets, Verdicts)
        entries = [int(entry) for entry in targets.values]
        steps = _steps(output, entries, targets) if targets.by_pixels else None
        rows = []
        for at, entry in enumerate(entries):
            columns: dict[str, Any] = {"anomalous": bool(targets.anomalous[entry]), "score": output.score(at)}
            if steps is not None and targets.outlined[entry]:
                heat = output.heat(at)
                counts = HeatCounts.of(heat, targets.truth(entry, heat.shape), steps)
                columns |= {"wrong": counts.wrong, "normal": counts.normal, "overlap": counts.overlap, "regions": counts.regions}
            rows.append(columns)
        return pa.Table.from_pylist(rows, schema=self.answer_schema)

    def alarm(self, targets: Targets, name: str) -> int:
        if name not in ("auto", ANOMALOUS):
            raise RecipeError(f"evaluate.alarm: what is looked for is {ANOMALOUS}; leave it out.")
        return 1

    def alarms(self, answers: pa.Table, positive: int, groups: np.ndarray) -> BinaryAlarms:
        return NormalAlarms.of(answers["score"].to_numpy(), answers["anomalous"].to_numpy(), groups)

    def lacking(self, answers: pa.Table) -> str:
        there = set(answers["anomalous"].to_pylist())
        kinds = [kind for kind, anomalous in ((ANOMALOUS, True), (NORMAL, False)) if anomalous not in there]
        return f"no scored image is {kinds[0]}" if kinds else super().lacking(answers)

    def roc(self, answers: pa.Table) -> np.ndarray | None:
        from sklearn.metrics import roc_curve

        positive = answers["anomalous"].to_numpy()
        if positive.all() or not positive.any():
            return None
        rate, found, _ = roc_curve(positive, answers["score"].to_numpy(), drop_intermediate=False)
        last = np.searchsorted(rate, RATES, side="right") - 1  # at equal rates what is found in the end
        curve: np.ndarray = found[last]
        return curve

    def rarest(self, answers: pa.Table) -> int:
        """Scored images of the rarer kind."""
        anomalous = int(answers["anomalous"].to_numpy().sum())
        return min(anomalous, len(answers) - anomalous)

    def advised_false_alarms(self, train: Sequence[Row]) -> Default:
        return Default(0.05, "so many normal images may be called otherwise")

    def summary(self, rows: Sequence[Row]) -> str:
        normal = sum(bool(self.normal(row)) for row in rows)
        return f"anomalies told from normal images: {normal:,} normal, {len(rows) - normal:,} anomalous"

    def legend(self, targets: Targets) -> list[str]:
        return [NORMAL, ANOMALOUS]


def _steps(output: Predicted, entries: Sequence[int], targets: Verdicts) -> np.ndarray:
    """Between which scores pixels are counted: by some pixels of some images."""
    normal, wrong = list[np.ndarray](), list[np.ndarray]()
    known = [at for at, entry in enumerate(entries) if targets.outlined[entry]]
    for at in known[:: -(-len(known) // LOOKED_AT)]:
        heat = output.heat(at)
        truth = targets.truth(entries[at], heat.shape)
        said = np.isfinite(heat)
        for part, here in ((normal, said & (truth == 0)), (wrong, said & (truth == 1))):
            told = heat[here]
            part.append(told[:: -(-len(told) // SAMPLED) or 1])
    return steps_between(normal, wrong)
