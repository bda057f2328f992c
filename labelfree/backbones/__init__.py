"""Encoders being pretrained: one factory over timm, ImageNet weights, and weight files that explain themselves."""

from labelfree.backbones.base import Backbone, Features, statistics_kept
from labelfree.backbones.build import build

__all__ = ["Backbone", "Features", "build", "statistics_kept"]
