"""Labels of pixels: features as maps on tiles of one size, cached once, and heads that answer for every pixel. Any number of axes."""

from labelfree.transfer.maps.base import MapHead, MapProtocol
from labelfree.transfer.maps.learning import Learn
from labelfree.transfer.tiles.base import Fitted

__all__ = ["Fitted", "Learn", "MapHead", "MapProtocol"]
