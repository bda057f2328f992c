"""What every protocol of patches shares: patches of normal images in, a head that says how far others lie from them out."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from labelfree.transfer.patches.learning import LearnPatches
from labelfree.transfer.tiles.base import TileHead, TileProtocol


class PatchHead(TileHead):
    """A head of patches."""

    def forward(self, parts: Sequence[Tensor]) -> Tensor:
        """Parts of patches (B, D_k, *grid) -> (B, *grid) distances from what is normal."""
        raise NotImplementedError

    def score(self, parts: Sequence[Tensor], distances: Tensor, known: Tensor) -> Tensor:
        """(B,) what a tile is scored, of whose distances (B, *grid) those that are `known` count: the largest, -inf where none does."""
        return distances.masked_fill(~known, -float("inf")).flatten(1).amax(1)


class PatchProtocol(TileProtocol[LearnPatches, PatchHead]):
    """A protocol of patches."""

    shared = (
        "Patches: means of 3 cells a side of two levels of the network's pyramid, brought to the finer one's grid, at the tile's own size."
    )
    needs = "patches"
    one_size = "normal images alone do not tell at which size what is wrong shows best"
