"""A decoder trained on features of a network that stays as it is."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from labelfree.transfer.maps.base import MapProtocol
from labelfree.transfer.maps.decoders import AUTO, WIDTH, Decoder
from labelfree.transfer.maps.learning import Learn
from labelfree.transfer.maps.picture_decoders import require_library
from labelfree.transfer.maps.training import STEPS, MapTraining, train
from labelfree.transfer.tiles.base import Fitted
from labelfree.transfer.tiles.training import BATCH, RATE, step_seconds

TRAINED = (
    f"AdamW at {RATE:g} with warm-up and cosine, {BATCH} tiles or mirror images a step (fewer of large volumes), {STEPS} steps unless time "
    "is short, as many for every arm, the last step's weights; cross-entropy, classes weighted by the inverse square root of their pixels, plus soft Dice"
)


class Frozen(MapProtocol):
    """Kept features of every tile and its mirror image; a decoder learns from them. `decoder`: a key of DECODERS, or AUTO."""

    name = "frozen"
    words, title = "frozen", "trained decoder on the frozen network"
    reading = "frozen: a decoder is trained on what the network gives, the network stays as it is"
    method = (
        "Frozen: U-Net on a CNN's stages, on pixels and on volumes, DPT or FPN on a ViT's blocks of pictures, at most "
        f"{WIDTH} wide; {TRAINED}."
    )
    preparation = "standardise"
    steps = STEPS

    def __init__(self, decoder: str = AUTO) -> None:
        self.decoder = decoder

    def check(self) -> None:
        require_library()

    def step_seconds(self, learn: Learn) -> float:
        return step_seconds(partial(MapTraining, learn, self.trains_trunk, self.decoder))

    def fit(self, learn: Learn) -> Fitted[Decoder]:
        return train(learn, self.trains_trunk, self.decoder)

    def head(self, config: Mapping[str, Any]) -> Decoder:
        return Decoder(**config)
