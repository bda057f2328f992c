"""What detectors find in whole images: tiles looked at one after the other, what each shows told once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from labelfree.data.boxes import Detections
from labelfree.transfer.boxes.heads import BoxHead, Found
from labelfree.transfer.boxes.merging import merged
from labelfree.transfer.tiles.asking import Levels
from labelfree.transfer.tiles.base import Fitted
from labelfree.transfer.tiles.tiling import Tiling

BATCH = 8  # tiles at once


@dataclass(frozen=True)
class PredictedBoxes:
    """The boxes of images, each found when it is asked for: a sequence as long as `images`."""

    fitted: Fitted[BoxHead]
    tiling: Tiling
    images: np.ndarray
    levels: Levels

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[Detections]:
        return (self[at] for at in range(len(self)))

    @torch.inference_mode()
    def __getitem__(self, at: int) -> Detections:
        """Those of one image, in its pixels."""
        image = int(self.images[at])
        side, numbers = self.tiling.side, self.tiling.of_images([image])
        head, found = self.fitted.head.eval(), list[Detections]()
        for start in range(0, len(numbers), BATCH):
            found += map(detections, head(self.levels(numbers[start : start + BATCH]), side))
        return of_image(found, self.tiling.corner[numbers], side, self.tiling.shapes[image])


def detections(found: Found) -> Detections:
    """The same as numpy."""
    corners, label, score = (each.detach().cpu().numpy() for each in found)
    return Detections(corners.astype(np.float32), label.astype(np.int64), score.astype(np.float32))


def of_image(found: Sequence[Detections], corners: np.ndarray, side: Sequence[int], extent: Sequence[int]) -> Detections:
    """What was found on tiles of `side` pixels that begin at `corners` (t, 2), all as (height, width): the image's objects, each once.

    What is found in the padding of a small image is left out.
    """
    inner = [_within(each, corner, extent) for each, corner in zip(found, corners.tolist(), strict=True)]
    first = corners[:, ::-1]
    return merged(inner, np.concatenate([first, first + np.array(side[::-1])], 1))


def _within(found: Detections, corner: Sequence[int], extent: Sequence[int]) -> Detections:
    """The boxes whose middles lie in the image, cut at its borders, none thinner than a pixel; in the tile's pixels."""
    first = -np.array(corner[::-1], np.float32)
    last = first + np.array(extent[::-1], np.float32)
    middle = (found.corners[:, :2] + found.corners[:, 2:]) / 2
    there = found[((middle >= first) & (middle <= last)).all(1)]
    cut = Detections(there.corners.clip(np.tile(first, 2), np.tile(last, 2)), there.label, there.score)
    return cut[(cut.corners[:, 2:] - cut.corners[:, :2] >= 1).all(1)]
