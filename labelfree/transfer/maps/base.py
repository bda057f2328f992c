"""What every protocol of maps shares: levels of features in, a head that gives logits at every pixel out."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from labelfree.transfer.maps.learning import Learn
from labelfree.transfer.tiles.base import TileHead, TileProtocol

LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}  # axes -> how torch calls interpolation between neighbours


class MapHead(TileHead):
    """A head of maps."""

    def forward(self, levels: Sequence[Tensor], shape: tuple[int, ...]) -> Tensor:
        """Levels (B, C_l, *grid_l), finest first -> (B, K, *shape) logits."""
        raise NotImplementedError


class MapProtocol(TileProtocol[Learn, MapHead]):
    """A protocol of maps."""

    needs = "pyramid"


def to_shape(maps: Tensor, shape: tuple[int, ...]) -> Tensor:
    """(B, C, *grid) brought to (B, C, *shape), linear between the centres of cells."""
    if tuple(maps.shape[2:]) == tuple(shape):
        return maps
    return F.interpolate(maps, size=shape, mode=LINEAR[len(shape)], align_corners=False)
