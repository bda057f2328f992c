"""The asker of maps: a class for every pixel of whole images."""

from __future__ import annotations

from typing import Any

import numpy as np

from labelfree.transfer.encoders import network_of
from labelfree.transfer.maps.base import MapProtocol
from labelfree.transfer.maps.learning import Learn
from labelfree.transfer.maps.prediction import PredictedMaps
from labelfree.transfer.tasks.masks import Masks
from labelfree.transfer.tiles.asking import TileAsker
from labelfree.transfer.tiles.base import Fitted


class MapAsker(TileAsker[MapProtocol]):
    """Of protocols of maps."""

    @property
    def masks(self) -> Masks:
        """What the pixels of each image show."""
        targets = self.question.targets
        assert isinstance(targets, Masks), "maps are learned from masks"
        return targets

    def learn(self, protocol: MapProtocol, size: int, rows: np.ndarray, seed: int, seen: np.ndarray | None = None) -> Learn:
        return Learn(
            network=network_of(self.encoder),
            maps=self.at(size),
            all_tiles=self.tiles,
            mask_of=self.masks.load,
            images=rows,
            width=self.masks.width,
            size=size,
            steps=self.setup.steps.get(protocol.name),
            seed=seed,
            seen=seen,
        )

    def predicted(self, fitted: Fitted[Any], size: int, rows: np.ndarray) -> PredictedMaps:
        return PredictedMaps(fitted, self.tiles.tiling, rows, self.levels_of(fitted, size))
