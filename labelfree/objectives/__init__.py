"""Self-supervised objectives, one file a method: tensors in, a loss and its logs out."""

from labelfree.objectives.base import Crops, Objective, Step, Views

__all__ = ["Crops", "Objective", "Step", "Views"]
