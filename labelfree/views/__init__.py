"""Batched random ops that make views: any channel count, per-sample draws, nothing clamped, deterministic under a generator."""

from labelfree.views.base import Range, ViewOp, bernoulli, per_channel, per_sample, uniform
from labelfree.views.geometry import Dihedral, ResizedCrop
from labelfree.views.late import ChannelDrop, Erase
from labelfree.views.photometric import Blur, ChannelGain, LowResolution, Noise, SharedGain, on_chosen
from labelfree.views.pipeline import Augmentation, Normalise, ViewPipeline

__all__ = [
    "Augmentation",
    "Blur",
    "ChannelDrop",
    "ChannelGain",
    "Dihedral",
    "Erase",
    "LowResolution",
    "Noise",
    "Normalise",
    "Range",
    "ResizedCrop",
    "SharedGain",
    "ViewOp",
    "ViewPipeline",
    "bernoulli",
    "on_chosen",
    "per_channel",
    "per_sample",
    "uniform",
]
