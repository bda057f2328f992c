"""What heads of patches say of whole images: a score, and a map of where it comes from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from labelfree.transfer.patches.cells import known_cells
from labelfree.transfer.patches.heat import Seen, heat_map
from labelfree.transfer.tiles.base import Fitted
from labelfree.transfer.tiles.features import Tiles
from labelfree.transfer.tiles.training import tiles_at_once


class Told(NamedTuple):
    """Of one image: its score, and the tiles that a map is made of."""

    score: float
    tiles: list[Seen]


@dataclass(frozen=True)
class PredictedPatches:
    """Of `images`, each looked at once, when it is first asked for; what is kept of it are its patches' distances.

    `levels`: (tile numbers) -> what the head sees of them.
    """

    fitted: Fitted[Any]
    tiles: Tiles
    images: np.ndarray
    levels: Callable[[np.ndarray], list[Tensor]]
    _told: dict[int, Told] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.images)

    def score(self, at: int) -> float:
        """Higher for what is less like normal images; 0 of an image of which nothing is measured."""
        return self._of(at).score

    def heat(self, at: int) -> np.ndarray:
        """(*spatial) float32, NaN where nothing is measured."""
        image = int(self.images[at])
        measured = self.tiles.pool.measured([image])
        known = np.ones(self.tiles.tiling.shapes[image], bool) if measured is None else measured[0].numpy()
        return heat_map(self._of(at).tiles, self.tiles.tiling.side, known)

    def _of(self, at: int) -> Told:
        if at not in self._told:
            self._told[at] = self._look(at)
        return self._told[at]

    @torch.inference_mode()
    def _look(self, at: int) -> Told:
        numbers = self.tiles.tiling.of_images(self.images[at : at + 1])
        batch, best, seen = tiles_at_once(self.tiles.tiling.side), 0.0, list[Seen]()
        for start in range(0, len(numbers), batch):
            part = numbers[start : start + batch]
            parts = self.levels(part)
            distances = self.fitted.head(parts)
            known = torch.from_numpy(np.stack([known_cells(self.tiles, int(tile), tuple(distances.shape[1:])) for tile in part]))
            best = max(best, float(self.fitted.head.score(parts, distances, known.to(distances.device)).max()))
            corners = self.tiles.tiling.corner[part].tolist()
            seen += [Seen(tuple(c), d, k) for c, d, k in zip(corners, distances.cpu().numpy(), known.numpy(), strict=True)]
        return Told(best, seen)
