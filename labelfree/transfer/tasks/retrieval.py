"""Retrieval: which captions belong to an image, and which images to a caption, by cosines of a space that both share."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa

from labelfree.domain import Default, Row
from labelfree.errors import DataError
from labelfree.recipe import CAPTION_PROTOCOLS
from labelfree.transfer.question import Question
from labelfree.transfer.tasks.base import Metric, Targets, Task
from labelfree.transfer.tasks.recall import COLUMNS, TEXTS, median_rank, recall
from labelfree.transfer.tasks.standing import standing
from labelfree.transfer.words import BudgetWords

if TYPE_CHECKING:
    from labelfree.transfer.tasks.base import LabelledImages

FIRST = (1, 5, 10)
CLAIMED, RANDOM = "text_to_image_r10", "random"
FEWEST = 2  # scored images, of which one is told from another


@dataclass(frozen=True)
class Captioned(Targets):
    """`values`: (n,) positions of entries of the evaluation pool. `captions`: what is said of each entry; no file ever holds it."""

    captions: tuple[tuple[str, ...], ...] = ()

    def __getitem__(self, rows: np.ndarray) -> Captioned:
        return replace(self, values=self.values[rows])

    @property
    def content(self) -> str:
        return hashlib.sha256(repr(self.captions).encode()).hexdigest()


@dataclass(frozen=True)
class SharedSpace:
    """Scored images and the texts of a gallery as one network places them: unit vectors (n, D) and (T, D). `says`: of each image the
    positions of its texts, each once.
    """

    images: np.ndarray
    texts: np.ndarray
    says: Sequence[np.ndarray]

    def carried(self, start: int, end: int) -> np.ndarray:
        """(end - start, T) bool: which texts are said of these images."""
        table = np.zeros((end - start, len(self.texts)), bool)
        for line, texts in zip(table, self.says[start:end], strict=True):
            line[texts] = True
        return table

    def carriers(self, start: int, end: int) -> np.ndarray:
        """(end - start, n) bool: of which images these texts are said."""
        table = np.zeros((end - start, len(self.images)), bool)
        for image, texts in enumerate(self.says):
            table[texts[(texts >= start) & (texts < end)] - start, image] = True
        return table


def _metrics() -> dict[str, Metric]:
    metrics = {}
    for name, words, of_texts in (("image_to_text", "image to text", False), ("text_to_image", "text to image", True)):
        for first in FIRST:
            of, chance = recall(first, of_texts)
            title = f"recall at {first}, {words}"
            metrics[f"{name}_r{first}"] = Metric(f"{name}_r{first}", of, f"R@{first} {words}", title=title, chance=chance)
        of, chance = median_rank(of_texts)
        rank = f"{name}_median_rank"
        metrics[rank] = Metric(rank, of, f"median rank {words}", "", higher_is_better=False, chance=chance)
    return metrics


class Retrieval(Task):
    """Captions of an image among those of all scored images, and images of a caption. Nothing is learnt from either: the space is there.

    An image's answer is right where any of its captions is, a caption's where any image that carries the same one is.
    """

    name = "retrieval"
    columns = ("captions",)
    metrics: ClassVar[dict[str, Metric]] = _metrics()
    protocols = ("retrieval",)
    protocol_group = CAPTION_PROTOCOLS
    budget = BudgetWords("label", "", all="no labels", stratum="image")
    learns, given = False, "caption"
    advised_objective = Default("clip", "captions teach a text tower beside the network, which is asked")
    answer_schema = pa.schema(
        [
            ("texts", pa.int32()),  # of the gallery, each once
            ("images", pa.int32()),
            *((name, pa.int32()) for name in COLUMNS),
            *((f"{TEXTS}{name}", pa.list_(pa.int32())) for name in COLUMNS),  # of each of the image's texts
        ]
    )

    @classmethod
    def own_question(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Against `random`, whose two towers have learnt nothing: most other arms know no words."""
        claimed = {"protocol": cls.protocols[0], "metric": CLAIMED, "budget": "all"}
        arms = settings.get("arms", [RANDOM])
        return {
            "protocols": list(cls.protocols),
            "labels_per_class": ["all"],
            "primary": claimed | ({"against": RANDOM} if RANDOM in arms else {}),
        }

    def labelled(self, row: Row) -> bool:
        return bool(row.captions)

    def asked_by(self, rows: Sequence[Row]) -> bool:
        """By name alone: captions are there to be learnt from, too."""
        return False

    def stratum(self, row: Row) -> str:
        return "captioned"

    def targets(self, rows: Sequence[Row], images: LabelledImages | None = None) -> Captioned:
        return Captioned(np.arange(len(rows)), captions=tuple(row.captions for row in rows))

    def check(self, question: Question) -> None:
        scored = question.train if question.score is None else question.score
        if len(scored) < FEWEST:
            raise DataError(f"{question.dataset}: {len(scored)} scored image has a caption; retrieval tells one from others.")

    def answers(self, output: SharedSpace, targets: Targets) -> pa.Table:
        """Counts alone, no text: how each image and each of its texts stands."""
        of_images = standing(output.images, output.texts, output.carried)
        of_texts = standing(output.texts, output.images, output.carriers)
        counts = {name: getattr(of_images, name) for name in COLUMNS}
        lists = {f"{TEXTS}{name}": [getattr(of_texts, name)[texts] for texts in output.says] for name in COLUMNS}
        galleries = {"texts": [len(output.texts)] * len(targets), "images": [len(output.images)] * len(targets)}
        return pa.table({**galleries, **counts, **lists}, schema=self.answer_schema)

    def advised_metric(self, train: Sequence[Row]) -> tuple[str, str]:
        return CLAIMED, "what a person asks who looks for images in words"

    def summary(self, rows: Sequence[Row]) -> str:
        return f"{self.name} of {len(rows):,} images with captions"

    def caption(self, row: Row) -> str:
        return ""
