"""What every protocol of boxes shares: levels of features in, a head that finds boxes out."""

from __future__ import annotations

from labelfree.transfer.boxes.heads import BoxHead
from labelfree.transfer.boxes.learning import LearnBoxes
from labelfree.transfer.tiles.base import TileProtocol


class BoxProtocol(TileProtocol[LearnBoxes, BoxHead]):
    """A protocol of boxes."""

    needs = "boxes"
