"""Encoders being pretrained: networks by name, timm's or one's own, ImageNet weights, and weight files that explain themselves."""

from labelfree.backbones.base import Backbone, Features, statistics_kept
from labelfree.backbones.build import build

__all__ = ["Backbone", "Features", "build", "statistics_kept"]
