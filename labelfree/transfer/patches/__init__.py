"""Normal images alone: what their patches look like is kept, and others are told by how far theirs lie from that. Any number of axes."""

from labelfree.transfer.patches.base import PatchHead, PatchProtocol
from labelfree.transfer.patches.learning import LearnPatches

__all__ = ["LearnPatches", "PatchHead", "PatchProtocol"]
