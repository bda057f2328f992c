"""Detectors in training: tiles with objects come as often as those without."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from labelfree.errors import DataError
from labelfree.training.randomness import mixed
from labelfree.transfer.boxes.detectors import FCOS_NAME
from labelfree.transfer.boxes.heads import BoxHead, head_of
from labelfree.transfer.boxes.learning import LearnBoxes
from labelfree.transfer.boxes.strides import reduced
from labelfree.transfer.tiles.base import Fitted
from labelfree.transfer.tiles.training import TileTraining
from labelfree.transfer.tiles.views import TileDraw

STEPS = 200  # where none are given


def train(learn: LearnBoxes, with_trunk: bool, detector: str = FCOS_NAME) -> Fitted[BoxHead]:
    """Train a head, and with `with_trunk` the network. `detector`: a key of DETECTORS.

    Raises DataError where no image shows an object, TrainingError where the loss is no number.
    """
    return BoxTraining(learn, with_trunk, detector).run(learn.steps or STEPS)


class BoxTraining(TileTraining[LearnBoxes, BoxHead]):
    """A detector on its way; see `train`."""

    named = "detection"

    def __init__(self, learn: LearnBoxes, with_trunk: bool, detector: str = FCOS_NAME) -> None:
        self.detector = detector
        super().__init__(learn, with_trunk)

    def learned_tiles(self, learn: LearnBoxes) -> np.ndarray:
        """Those that show an object as often as makes them half of all: of large images most tiles show none."""
        tiles = learn.tiles
        labelled = learn.boxes(tiles, np.zeros(len(tiles), bool))
        shown = tiles[[len(boxes.objects) > 0 for boxes in labelled]]
        empty = tiles[[len(boxes.objects) == 0 for boxes in labelled]]
        if not len(shown):
            count = len(learn.images)
            seen = "the labelled image shows no" if count == 1 else f"none of the {count} labelled images of a draw shows an"
            raise DataError(
                f"detection: {seen} object, so no detector can be learned from them; label images with objects, or raise "
                "evaluate.labels_per_class."
            )
        return np.concatenate([np.tile(shown, max(1, len(empty) // len(shown))), empty])

    def fresh_head(self, levels: list[Tensor]) -> BoxHead:
        return head_of(levels, self.learn.shape, self.learn.width, self.learn.sizes, self.detector)

    def changed(self, levels: list[Tensor]) -> list[Tensor]:
        return reduced(levels, self.learn.shape)

    def loss(self, levels: list[Tensor], tiles: np.ndarray, mirrored: np.ndarray, drawn: TileDraw) -> Tensor:
        device, boxes = self.learn.device, drawn.boxes(self.learn.boxes(tiles, mirrored), self.learn.shape)
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), self.half_precision():
            torch.manual_seed(mixed("sampled", self.learn.seed, tiles.tolist(), mirrored.tolist()))  # Faster R-CNN draws anchors
            return self.head.loss(levels, self.learn.shape, boxes)
