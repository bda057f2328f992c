"""The asker of boxes: objects found in whole images."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from labelfree.training.timing import Stopwatch
from labelfree.transfer.asking import Trial
from labelfree.transfer.boxes.base import BoxProtocol
from labelfree.transfer.boxes.learning import LearnBoxes
from labelfree.transfer.boxes.prediction import PredictedBoxes
from labelfree.transfer.boxes.strides import reduced
from labelfree.transfer.encoders import Encoder, network_of
from labelfree.transfer.tasks.detection import BoxTargets
from labelfree.transfer.tiles.asking import TileAsker
from labelfree.transfer.tiles.base import Fitted
from labelfree.transfer.tiles.kept_tiles import KeptTiles


class BoxAsker(TileAsker[BoxProtocol]):
    """Of protocols of boxes. Images are large and their tiles many: those are read that are learned from or looked at, and no others."""

    def read(self, size: int) -> KeptTiles:
        return KeptTiles(self.encoder, self.tiles, size, self.folder / "features", self.say, self.question.images, reduced)

    def changed(self, levels: list[Tensor]) -> list[Tensor]:
        return reduced(levels, self.tiles.tiling.side)

    def learn(self, protocol: BoxProtocol, size: int, rows: np.ndarray, seed: int, seen: np.ndarray | None = None) -> LearnBoxes:
        targets = self.question.targets
        assert isinstance(targets, BoxTargets), "boxes are learned from boxes"
        return LearnBoxes(
            network=network_of(self.encoder),
            maps=self.at(size),
            all_tiles=self.tiles,
            boxes_of=targets.load,
            images=rows,
            width=targets.width,
            size=size,
            steps=self.setup.steps.get(protocol.name),
            seed=seed,
            seen=seen,
        )

    def predicted(self, fitted: Fitted[Any], size: int, rows: np.ndarray) -> PredictedBoxes:
        if fitted.trunk is None:
            tiles = self.tiles.tiling.of_images(rows)
            self.at(size).read(tiles, tiles[:0])
        return PredictedBoxes(fitted, self.tiles.tiling, rows, self.levels_of(fitted, size))

    @classmethod
    def reading_seconds(cls, trial: Trial, encoder: Encoder) -> float:
        """Of the scored images; what is learned from is read when a cell is measured."""
        asker, watch = cls._of(trial, encoder), Stopwatch()
        tiles = asker.tiles.tiling.of_images(trial.first.judge)
        asker.at(trial.smallest(encoder)).read(tiles, tiles[:0])
        return watch.lap().seconds * trial.folds
