"""The labels of one budget beside cached features of tiles: what a protocol of boxes is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from labelfree.data.boxes import Boxes
from labelfree.transfer.boxes.tile_boxes import mirrored, on_tile
from labelfree.transfer.tiles.learning import LearnTiles


@dataclass(frozen=True, kw_only=True)
class LearnBoxes(LearnTiles):
    """With boxes. `boxes_of`: those of an image, by its position in the pool."""

    boxes_of: Callable[[int], Boxes]

    def boxes(self, tiles: Sequence[int] | np.ndarray, mirror: np.ndarray) -> list[Boxes]:
        """What is labelled on each tile, in its pixels."""
        tiling = self.all_tiles.tiling
        found = []
        for tile, turned in zip(np.asarray(tiles).tolist(), np.asarray(mirror).tolist(), strict=True):
            image = int(tiling.image[tile])
            boxes = on_tile(self.boxes_of(image), tiling.corner[tile].tolist(), tiling.side, tiling.shapes[image])
            found.append(mirrored(boxes, tiling.side[-1]) if turned else boxes)
        return found

    @property
    def sizes(self) -> Tensor:
        """(n, 2) width and height of every object that the budget's images show, in pixels."""
        objects = [self.boxes_of(int(image)).objects.corners for image in self.images]
        corners = np.concatenate(objects) if objects else np.zeros((0, 4), np.float32)
        return torch.from_numpy(corners[:, 2:] - corners[:, :2])
