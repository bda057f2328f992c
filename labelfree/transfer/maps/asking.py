"""The asker of maps: a class for every pixel of whole images."""

from __future__ import annotations

from typing import Any

import numpy as np

from labelfree.data.space import gigabytes, limit_bytes
from labelfree.transfer.encoders import network_of
from labelfree.transfer.maps.base import MapProtocol
from labelfree.transfer.maps.learning import Learn
from labelfree.transfer.maps.prediction import PredictedMaps
from labelfree.transfer.tasks.masks import Masks
from labelfree.transfer.tiles.asking import TileAsker
from labelfree.transfer.tiles.base import Fitted
from labelfree.transfer.tiles.features import Asked, bytes_each, kept_at
from labelfree.transfer.tiles.kept_tiles import KeptTiles
from labelfree.transfer.tiles.learning import CachedLevels

LARGE = 1e9  # bytes, from which on a person is told of features


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
            objects=self.masks.foreground,
            images=rows,
            width=self.masks.width,
            size=size,
            steps=self.setup.steps.get(protocol.name),
            seed=seed,
            seen=seen,
        )

    def read(self, size: int) -> CachedLevels:
        """Of every tile, where half of the free disk holds them; else of those that are asked for first."""
        folder, images, tiles = self.folder / "features", self.question.images, self.tiles
        every = Asked.all_of(len(tiles.tiling))
        if kept_at(self.encoder, tiles, size, folder, images, every).is_dir():
            return super().read(size)
        whole, room = len(every) * bytes_each(self.encoder, tiles, size), limit_bytes("auto", folder)
        told = f"Features of {self.encoder.arm}, {len(tiles.tiling):,} tiles and their mirror images: {gigabytes(whole)} in {folder}"
        if whole <= room:
            if whole >= LARGE:
                self.say.say(f"{told}.")
            return super().read(size)
        self.say.say(
            f"{told} has no room for; {gigabytes(room)} are kept, of those asked for first, the rest is computed when it is needed."
        )
        return KeptTiles(self.encoder, tiles, size, folder, self.say, images, room=room)

    def predicted(self, fitted: Fitted[Any], size: int, rows: np.ndarray) -> PredictedMaps:
        if fitted.trunk is None:
            numbers = self.tiles.tiling.of_images(rows)
            self.at(size).read(numbers, numbers[:0])
        return PredictedMaps(fitted, self.tiles.tiling, rows, self.levels_of(fitted, size))
