"""Boxes around objects: detectors of torchvision on the pyramid of any network, on tiles of native size; pictures alone."""

from labelfree.transfer.boxes.base import BoxProtocol
from labelfree.transfer.boxes.heads import BoxHead
from labelfree.transfer.boxes.learning import LearnBoxes

__all__ = ["BoxHead", "BoxProtocol", "LearnBoxes"]
