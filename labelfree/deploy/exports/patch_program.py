"""A head of patches as one module: a tile's score, whether it reaches a threshold, and where it comes from."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from labelfree.deploy.exports.programs import KNOWN, PIXELS, THRESHOLD, WHOLE, TileProgram, in_single
from labelfree.deploy.patch_heads import PatchesHead
from labelfree.domain import sides
from labelfree.errors import DataError
from labelfree.transfer.patches.cells import mostly_known
from labelfree.transfer.patches.distances import lengths
from labelfree.transfer.patches.heat import at_pixels
from labelfree.transfer.patches.memory import CoresetHead, weights
from labelfree.transfer.patches.tokens import PatchTokens, means_of
from labelfree.transfer.tiles.features import input_size


class PatchProgram(TileProgram):
    """`score` (B,) of tiles, `called` (B,) bool, whether it reaches the input `threshold`, and `heat` (B, H, W), smoothed as a head's map.

    The input `known` (B, H, W) is 1 where a tile shows the image, 0 where it was padded. Without a threshold of its own nothing is called.
    """

    kind, outputs = "patches", ("score", "called", "heat")
    around: Tensor

    def __init__(self, head: PatchesHead) -> None:
        super().__init__(head)
        if not isinstance(head.head, CoresetHead):
            raise DataError(f"{head.path}: heads of {head.card.protocol} are not exported; those that keep patches of normal images are.")
        self.tokens = PatchTokens(sides(input_size(self.shape, head.size), 2))
        self.threshold = math.inf if head.card.threshold is None else in_single(head.card.threshold)
        if self.head.neighbours:
            self.register_buffer("around", self.head.around.cpu().clone(), persistent=False)

    @property
    def inputs(self) -> tuple[str, ...]:
        return (PIXELS, KNOWN, THRESHOLD, *([WHOLE] if self.by_image else []))

    def example(self) -> tuple[Tensor, ...]:
        pixels, *rest = super().example()
        return (pixels, torch.ones(len(pixels), *self.shape), rest[-1], *rest[:-1])

    def forward(self, pixels: Tensor, known: Tensor, threshold: Tensor, whole: Tensor | None = None) -> tuple[Tensor, ...]:
        seen = self.head.tokens(self.tokens(self.levels(pixels, whole), self.shape))
        tokens, grid = seen.flatten(1, 2), seen.shape[1:3]
        nearest = self.nearest(tokens)
        distances = (tokens - self.head.bank[nearest]).norm(dim=2)
        cells = mostly_known(means_of(known[:, None], grid)[:, 0])
        score = self.score(tokens, torch.where(cells.flatten(1), distances, 0.0), nearest)
        return score, score >= threshold, at_pixels(distances.unflatten(1, grid), cells, known)

    def nearest(self, tokens: Tensor) -> Tensor:
        """(B, n, D) -> (B, n), which of the bank: as `patches.distances.nearest`, all at once."""
        return (lengths(self.head.bank) - 2 * tokens @ self.head.bank.T).argmin(2)

    def score(self, tokens: Tensor, distances: Tensor, nearest: Tensor) -> Tensor:
        """(B,): as `CoresetHead.score`, of distances (B, n) that are 0 where they do not count."""
        largest = distances.amax(1)
        if not self.head.neighbours:
            return largest
        at = distances.argmax(1, keepdim=True)
        furthest = tokens.gather(1, at[:, :, None].expand(-1, -1, tokens.shape[2]))[:, 0]
        return largest * weights(furthest, self.head.bank[self.around[nearest.gather(1, at)[:, 0]]])
