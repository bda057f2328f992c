"""Decoders of maps in training: the classes of pixels, weighed against how often each is met."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from labelfree.transfer.maps.decoders import AUTO, Decoder, decoder_of
from labelfree.transfer.maps.learning import Learn
from labelfree.transfer.maps.losses import class_weights, segmentation_loss
from labelfree.transfer.maps.shown_tiles import with_objects
from labelfree.transfer.tiles.base import Fitted
from labelfree.transfer.tiles.training import TileTraining, as_they_are, tiles_at_once
from labelfree.transfer.tiles.views import TileDraw

STEPS = 120  # where none are given
SHOWN = 1 / 3  # of the tiles of large images and volumes that are learned from show an object, where there are any: most show none


def train(learn: Learn, with_trunk: bool, decoder: str = AUTO) -> Fitted[Decoder]:
    """Train a head, and with `with_trunk` the network. `decoder`: a key of DECODERS, or AUTO.

    Raises DataError where no pixel is known, TrainingError where the loss is no number.
    """
    return MapTraining(learn, with_trunk, decoder).run(learn.steps or STEPS)


class MapTraining(TileTraining[Learn, Decoder]):
    """A decoder on its way; see `train`."""

    named = "segmentation"

    def __init__(self, learn: Learn, with_trunk: bool, decoder: str = AUTO) -> None:
        self.decoder = decoder
        batches = as_they_are(learn.tiles, tiles_at_once(learn.shape))
        self.weights = class_weights((learn.masks(*rows) for rows in batches), learn.width).to(learn.device)
        super().__init__(learn, with_trunk)

    def learned_tiles(self, learn: Learn) -> np.ndarray:
        large = len(learn.shape) == 3 or len(learn.tiles) > len(learn.images)
        return with_objects(learn, SHOWN if large else 0.0)

    def fresh_head(self, levels: list[Tensor]) -> Decoder:
        return decoder_of(levels, self.learn.shape, self.learn.width, self.decoder)

    def loss(self, levels: list[Tensor], tiles: np.ndarray, mirrored: np.ndarray, drawn: TileDraw) -> Tensor:
        with self.half_precision():
            logits = self.head(levels, self.learn.shape)
        return segmentation_loss(logits, drawn.masks(self.learn.masks(tiles, mirrored)).to(self.learn.device), self.weights)
