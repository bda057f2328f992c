"""Images and what is said of them, in the space that both towers of an arm share."""

from labelfree.transfer.captions.base import CaptionProtocol

__all__ = ["CaptionProtocol"]
