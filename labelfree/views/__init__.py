"""Batched random ops that make views: any channel count, per-sample draws, nothing clamped, deterministic under a generator."""

from labelfree.views.affine import Affine
from labelfree.views.anomalies import Anomaly, Blotches, CutPaste, anomalies
from labelfree.views.base import Range, ViewOp, bernoulli, per_channel, per_sample, uniform
from labelfree.views.fields import BiasField
from labelfree.views.filters import Blur, Defocus, LowResolution, MotionBlur
from labelfree.views.geometry import Dihedral, Geometry, ResizedCrop
from labelfree.views.light import Glare, LightRamp, SoftShadow
from labelfree.views.mixup import CutMix, MixUp
from labelfree.views.normalise import BitDepth, Normalise, PerChannel, PerImage, ValueWindow, normalise_of
from labelfree.views.photometric import (
    ChannelGain,
    ChannelOffset,
    Contrast,
    Gamma,
    Noise,
    SensorNoise,
    SharedGain,
    SharedOffset,
    on_chosen,
)
from labelfree.views.pipeline import Augmentation, ViewPipeline
from labelfree.views.removal import ChannelDrop, Erase, Grayscale

__all__ = [
    "Affine",
    "Anomaly",
    "Augmentation",
    "BiasField",
    "BitDepth",
    "Blotches",
    "Blur",
    "ChannelDrop",
    "ChannelGain",
    "ChannelOffset",
    "Contrast",
    "CutMix",
    "CutPaste",
    "Defocus",
    "Dihedral",
    "Erase",
    "Gamma",
    "Geometry",
    "Glare",
    "Grayscale",
    "LightRamp",
    "LowResolution",
    "MixUp",
    "MotionBlur",
    "Noise",
    "Normalise",
    "PerChannel",
    "PerImage",
    "Range",
    "ResizedCrop",
    "SensorNoise",
    "SharedGain",
    "SharedOffset",
    "SoftShadow",
    "ValueWindow",
    "ViewOp",
    "ViewPipeline",
    "anomalies",
    "bernoulli",
    "normalise_of",
    "on_chosen",
    "per_channel",
    "per_sample",
    "uniform",
]
