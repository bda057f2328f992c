"""Boxes on images: those that people drew, those that a network found, and how far two of them overlap.

Corners are pixels of the image from the outer edge of its first, x before y: x0, y0, x1, y1 in a picture. Areas and overlaps are float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

ANY = -1  # the label of an ignored region that may hold objects of any class


@dataclass(frozen=True, eq=False)
class Boxes:
    """What is drawn on an image.

    `corners`: (n, 2 * axes) float32, the least corner, then the largest. `label`: (n,) int64 position among the classes, or `ANY`.
    `ignored`: (n,) bool: crowds and regions that are neither object nor negative; what is found there is no false alarm.
    """

    corners: np.ndarray
    label: np.ndarray
    ignored: np.ndarray

    @classmethod
    def none(cls, axes: int = 2) -> Boxes:
        """Those of a negative."""
        return cls(np.zeros((0, 2 * axes), np.float32), np.zeros(0, np.int64), np.zeros(0, bool))

    @classmethod
    def of(cls, corners: Sequence[Sequence[float]] | np.ndarray, label: Sequence[int], ignored: Sequence[bool] | None = None) -> Boxes:
        """The same from lists; `ignored`: None where none is."""
        numbers = np.asarray(label, np.int64)
        left_out = np.zeros(len(numbers), bool) if ignored is None else np.asarray(ignored, bool)
        return cls(np.asarray(corners, np.float32).reshape(len(numbers), -1) if len(numbers) else cls.none().corners, numbers, left_out)

    def __len__(self) -> int:
        return len(self.corners)

    def __getitem__(self, which: np.ndarray) -> Boxes:
        return Boxes(self.corners[which], self.label[which], self.ignored[which])

    @property
    def objects(self) -> Boxes:
        """Those that are to be found."""
        return self[~self.ignored]


@dataclass(frozen=True, eq=False)
class Detections:
    """What was found on an image. `corners`: (n, 4) float32; `label`: (n,) int64 position among the classes; `score`: (n,) float32."""

    corners: np.ndarray
    label: np.ndarray
    score: np.ndarray

    @classmethod
    def none(cls) -> Detections:
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, np.float32))

    @classmethod
    def of(cls, corners: Sequence[Sequence[float]] | np.ndarray, label: Sequence[int], score: Sequence[float]) -> Detections:
        """The same from lists."""
        boxes = np.asarray(corners, np.float32).reshape(-1, 4)
        return cls(boxes, np.asarray(label, np.int64), np.asarray(score, np.float32))

    @classmethod
    def together(cls, parts: Sequence[Detections]) -> Detections:
        """All of several, one after the other."""
        return cls(*(np.concatenate([getattr(part, name) for part in (cls.none(), *parts)]) for name in ("corners", "label", "score")))

    def __len__(self) -> int:
        return len(self.corners)

    def __getitem__(self, which: np.ndarray) -> Detections:
        return Detections(self.corners[which], self.label[which], self.score[which])

    def strongest(self, most: int | None = None) -> Detections:
        """By falling score, of equal ones the earlier first; the first `most` of them."""
        return self[np.argsort(-self.score, kind="stable")[:most]]


def areas(corners: np.ndarray) -> np.ndarray:
    """(n,) of (n, 2 * axes) corners: square pixels."""
    low, high = np.split(corners.astype(np.float64), 2, axis=1)
    return np.maximum(high - low, 0).prod(1)


def shared_areas(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(…) square pixels that two boxes have in common; (…, 2 * axes) corners that broadcast."""
    (low, high), (other_low, other_high) = (np.split(side.astype(np.float64), 2, axis=-1) for side in (first, second))
    return np.maximum(np.minimum(high, other_high) - np.maximum(low, other_low), 0).prod(-1)


def overlaps(found: np.ndarray, drawn: np.ndarray, whole: np.ndarray | None = None) -> np.ndarray:
    """(n, m) intersection over union of (n, 2 * axes) and (m, 2 * axes) corners.

    `whole`: (m,) bool, of which of `drawn` it is the share of the found box that lies inside, as COCO measures crowds.
    """
    both = shared_areas(found[:, None], drawn[None])
    own, other = areas(found)[:, None], areas(drawn)[None]
    union = own + other - both if whole is None else np.where(whole[None], own, own + other - both)
    return np.divide(both, union, out=np.zeros_like(both), where=union > 0)
