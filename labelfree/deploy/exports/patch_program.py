"""A head of patches as one module: a tile's score, whether it reaches a threshold, and where it comes from."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from labelfree.deploy.exports.programs import KNOWN, PIXELS, THRESHOLD, WHOLE, TileProgram, in_single
from labelfree.deploy.patch_heads import PatchesHead
from labelfree.domain import sides
from labelfree.errors import DataError
from labelfree.transfer.maps.base import to_shape
from labelfree.transfer.patches.cells import mostly_known
from labelfree.transfer.patches.distances import lengths
from labelfree.transfer.patches.memory import CoresetHead
from labelfree.transfer.patches.tokens import PatchTokens, means_of
from labelfree.transfer.tiles.features import input_size


class PatchProgram(TileProgram):
    """`score` (B,) of tiles, `called` (B,) bool, whether it reaches the input `threshold`, and `heat` (B, H, W), not smoothed.

    The input `known` (B, H, W) is 1 where a tile shows the image, 0 where it was padded. Without a threshold of its own nothing is called.
    """

    kind, outputs = "patches", ("score", "called", "heat")

    def __init__(self, head: PatchesHead) -> None:
        super().__init__(head)
        if not isinstance(head.head, CoresetHead) or head.head.neighbours:
            raise DataError(f"{head.path}: heads of {head.card.protocol} are not exported; those of coreset are.")
        self.tokens = PatchTokens(sides(input_size(self.shape, head.size), 2))
        self.threshold = math.inf if head.card.threshold is None else in_single(head.card.threshold)

    @property
    def inputs(self) -> tuple[str, ...]:
        return (PIXELS, KNOWN, THRESHOLD, *([WHOLE] if self.by_image else []))

    def example(self) -> tuple[Tensor, ...]:
        pixels, *rest = super().example()
        return (pixels, torch.ones(len(pixels), *self.shape), rest[-1], *rest[:-1])

    def forward(self, pixels: Tensor, known: Tensor, threshold: Tensor, whole: Tensor | None = None) -> tuple[Tensor, ...]:
        found = self.head.tokens(self.tokens(self.levels(pixels, whole), self.shape))
        distances = self.distances(found.flatten(1, 2)).view(found.shape[:-1])
        cells = mostly_known(means_of(known[:, None], distances.shape[1:])[:, 0])
        score = torch.where(cells, distances, 0.0).flatten(1).amax(1)
        return score, score >= threshold, to_shape(distances[:, None], self.shape)[:, 0]

    def distances(self, tokens: Tensor) -> Tensor:
        """(B, n, D) -> (B, n): as `patches.distances.nearest`, all at once."""
        at = (lengths(self.head.bank) - 2 * tokens @ self.head.bank.T).argmin(2)
        return (tokens - self.head.bank[at]).norm(dim=2)
