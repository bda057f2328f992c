"""Every op, and the batches that tests put through them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from labelfree.views import (
    Affine,
    BiasField,
    Blotches,
    Blur,
    ChannelDrop,
    ChannelGain,
    ChannelOffset,
    Contrast,
    CutMix,
    CutPaste,
    Defocus,
    Dihedral,
    Erase,
    Gamma,
    Geometry,
    Glare,
    Grayscale,
    LightRamp,
    LowResolution,
    MixUp,
    MotionBlur,
    Noise,
    ResizedCrop,
    SensorNoise,
    SharedGain,
    SharedOffset,
    SoftShadow,
    ViewOp,
)


def geometric() -> list[Geometry]:
    return [ResizedCrop(16, (0.2, 1.0)), Dihedral(transpose=False), Affine(30.0, (0.7, 1.4), 10.0, 0.1, p=1.0)]


def filters() -> list[ViewOp]:
    """Ops whose weights sum to 1."""
    return [
        Blur(p=1.0),
        LowResolution((1.2, 2.0), p=1.0),
        LowResolution((1.2, 2.0), p=1.0, axes=(-1, -2)),
        Defocus(p=1.0),
        MotionBlur(p=1.0),
    ]


def photometric() -> list[ViewOp]:
    gains = [SharedGain(), ChannelGain(), BiasField(p=1.0), SharedOffset(), ChannelOffset()]
    return [*filters(), *gains, *lights(), Contrast(p=1.0), Gamma(p=1.0), Noise(p=1.0), SensorNoise(p=1.0), Blotches(p=1.0)]


def lights() -> list[ViewOp]:
    return [LightRamp(p=1.0), SoftShadow(p=1.0), Glare(p=1.0)]


def late() -> list[ViewOp]:
    return [ChannelDrop(0.5, p=1.0), Erase(p=1.0), Grayscale(p=0.5)]


def mixing() -> list[ViewOp]:
    return [MixUp(), CutMix()]


def pasting() -> list[ViewOp]:
    return [CutPaste(p=1.0), CutPaste.scar(p=1.0)]


def every() -> list[ViewOp]:
    return [*geometric(), *photometric(), *late(), *mixing(), *pasting()]


def without_strength() -> list[ViewOp]:
    """Every op with its strength at nothing."""
    return [
        ResizedCrop(32, (1.0, 1.0), (1.0, 1.0)),
        SharedGain(0.0),
        Affine(0.0, (1.0, 1.0), p=1.0),
        MixUp(p=0.0),
        CutMix(p=0.0),
        ChannelGain(0.0),
        BiasField((0.0, 0.0), p=1.0),
        LightRamp((0.0, 0.0), p=1.0),
        SoftShadow((0.0, 0.0), p=1.0),
        Glare((0.0, 0.0), p=1.0),
        SensorNoise((0.0, 0.0), (0.0, 0.0), p=1.0),
        Blotches((0.0, 0.0), p=1.0),
        CutPaste((0.0, 0.0), p=1.0),
        SharedOffset(0.0),
        ChannelOffset(0.0),
        Contrast(0.0, p=1.0),
        Gamma((1.0, 1.0), p=1.0),
        Defocus((0.0, 0.0), p=1.0),
        MotionBlur((0.0, 0.0), p=1.0),
        Noise((0.0, 0.0), p=1.0),
        Blur((0.0, 0.0), p=1.0),
        LowResolution((1.0, 1.0), p=1.0),
        LowResolution((1.0, 1.0), p=1.0, axes=(-1, -2)),
        ChannelDrop(0.0, p=1.0),
        Erase((0.0, 0.0), p=1.0),
        Grayscale(p=0.0),
    ]


def name(op: ViewOp) -> str:
    return type(op).__name__


def seeded(seed: int) -> Generator:
    return torch.Generator().manual_seed(seed)


def smooth_field(batch: int, channels: int, *shape: int, seed: int = 0) -> Tensor:
    """Standardised, both signs, no detail finer than a few pixels: white noise would blame a correct blur."""
    coarse = torch.randn(batch, channels, *(4 for _ in shape), generator=seeded(seed))
    field = F.interpolate(coarse, shape, mode="bilinear" if len(shape) == 2 else "trilinear", align_corners=True)
    flat = field.flatten(2)
    return ((flat - flat.mean(2, keepdim=True)) / flat.std(2, keepdim=True)).view_as(field)


def assert_sound(op: ViewOp, x: Tensor) -> None:
    """Of one image eight times, `x`: deterministic, the batch left as it was, nothing clipped, and another view of each sample."""
    before, out = x.clone(), op(x, seeded(0))
    assert torch.equal(x, before) and torch.equal(out, op(x, seeded(0)))
    assert out.shape == x.shape and out.isfinite().all()
    assert len({one.numpy().tobytes() for one in out}) == len(x) == 8
    assert out.std() > 0.5 * x.std() and (out < 0).any() and out.max() > 1
    assert torch.equal(op.apply(x, op.draw(8, seeded(0))), out)
