"""A decoder trained on features of a network that stays as it is."""

from __future__ import annotations

from labelfree.transfer.maps.base import Fitted, Learn, MapProtocol
from labelfree.transfer.maps.decoders import AUTO, WIDTH
from labelfree.transfer.maps.training import BATCH, RATE, train

LEARNS = (
    "cross-entropy, classes weighted by the inverse square root of their pixels, plus soft Dice; AdamW, warm-up and cosine, "
    f"{BATCH} tiles or mirror images a step, as many steps for every arm, the last step's weights."
)


class Frozen(MapProtocol):
    """The network's features are kept once for every tile and its mirror image; a decoder learns from them. `decoder`: see `decoders`."""

    name = "frozen"
    words, title = "frozen", "frozen network, trained decoder"
    reading = "frozen: a decoder is trained on what the network gives, the network stays as it is"
    method = f"Frozen: U-Net on a CNN's stages, DPT or FPN on a ViT's blocks, at most {WIDTH} wide; rate {RATE:g}; {LEARNS}"
    needs = "pyramid"
    settings = (RATE,)
    default = RATE

    def __init__(self, decoder: str = AUTO) -> None:
        self.decoder = decoder

    def fit(self, learn: Learn) -> Fitted:  # type: ignore[override]
        return train(learn, self.trains_trunk, self.decoder)
