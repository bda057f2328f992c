"""Labels of pixels: features as maps on tiles of one size, cached once, and heads that answer for every pixel. Any number of axes."""

from labelfree.transfer.maps.base import Fitted, MapHead, MapProtocol
from labelfree.transfer.maps.learning import Learn

__all__ = ["Fitted", "Learn", "MapHead", "MapProtocol"]
