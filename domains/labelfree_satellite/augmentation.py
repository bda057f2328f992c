"""Views of the ground: what sun, air, clouds and sensors change between two looks at one place. Never hue, solarise or clipping."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from labelfree.domain import Fingerprint
from labelfree.views import (
    Augmentation,
    Blur,
    ChannelDrop,
    ChannelGain,
    ChannelOffset,
    Dihedral,
    LowResolution,
    Noise,
    Range,
    SharedGain,
    SharedOffset,
    ViewOp,
)
from labelfree.views.base import bernoulli, beside, draw_seed, floating, on_chosen, per_channel, per_sample, seeded, sometimes, uniform
from labelfree_satellite.rendering import WHITE
from labelfree_satellite.sensors import REFLECTIVE_NM, Band

SMALL_TILE = 96  # below this a crop of a fifth of the area holds too few pixels to say what it shows
FEW_BANDS = 4  # up to here each band carries too much of the image to be dropped


class Haze(ViewOp):
    """Path radiance: adds more to short wavelengths (Rayleigh scattering goes with wavelength^-4).

    Input and output: (B, C, *spatial) in physical units, any range; nothing is clipped. `strength`: amount added at 450 nm.
    """

    scatter: Tensor

    def __init__(self, wavelengths_nm: Sequence[float], strength: Range = (0.0, 0.06), p: float = 0.5) -> None:
        super().__init__()
        self.strength = strength
        self.p = p
        self.register_buffer("scatter", (torch.tensor(list(wavelengths_nm)) / 450.0) ** -4)

    def draw(self, n: int, generator: Generator) -> Tensor:
        """(n,) one amount a sample, 0 where not applied."""
        return sometimes(n, self.strength, self.p, generator)

    def apply(self, x: Tensor, params: Tensor) -> Tensor:  # type: ignore[override]
        return floating(x, self) + per_sample(params, x) * per_channel(self.scatter, x)


@dataclass(frozen=True)
class CloudDraw:
    """`chosen`: (n,) 1 where applied. `cover`: (n,) share of the view. `depth`: (n,) opacity. `shadow`: (n,) 1 for a shadow, 0 for a cloud.

    `seed` makes the shape of the cloud.
    """

    chosen: Tensor
    cover: Tensor
    depth: Tensor
    shadow: Tensor
    seed: int


class Clouds(ViewOp):
    """A soft cloud, as bright as `white` in every reflective band, or a cloud's shadow, over a part of the view.

    Input and output: (B, C, H, W) in physical units; nothing is clipped. `reflective`: (C,) False for thermal bands, which are left alone.
    """

    reflective: Tensor
    covers = True

    def __init__(
        self, reflective: Sequence[bool], white: float = 0.5, cover: Range = (0.05, 0.3), depth: Range = (0.3, 0.8), p: float = 0.15
    ) -> None:
        super().__init__()
        self.white = white
        self.cover = cover
        self.depth = depth
        self.p = p
        self.register_buffer("reflective", torch.tensor(list(reflective), dtype=torch.float32))

    def draw(self, n: int, generator: Generator) -> CloudDraw:
        return CloudDraw(
            chosen=bernoulli(n, self.p, generator),
            cover=uniform(n, self.cover, generator),
            depth=uniform(n, self.depth, generator),
            shadow=bernoulli(n, 0.5, generator),
            seed=draw_seed(generator),
        )

    def apply(self, x: Tensor, params: CloudDraw) -> Tensor:  # type: ignore[override]
        coarse = torch.rand(len(x), 1, 5, 5, generator=seeded(params.seed))

        def covered(part: Tensor, rows: Tensor) -> Tensor:
            field = F.interpolate(beside(coarse[rows], part).to(part.dtype), part.shape[-2:], mode="bicubic", align_corners=True)
            level = field.flatten(1).sort(1).values
            edge = level.gather(1, beside(((1 - params.cover[rows]) * (level.shape[1] - 1)).long()[:, None], part)).flatten()
            shape = ((field - per_sample(edge, field)) * 8).sigmoid()
            opacity = shape * per_sample(params.depth[rows], field) * per_channel(self.reflective, part)
            bright = per_sample((1 - params.shadow[rows]) * self.white, part)
            return part + opacity * (bright - part)

        return on_chosen(floating(x, self), params.chosen > 0, covered)


class Only(ViewOp):
    """An op on some of the channels; the others pass. A gain on kelvin would make deserts boil."""

    positions: Tensor

    def __init__(self, op: ViewOp, channels: Sequence[bool]) -> None:
        super().__init__()
        self.op = op
        self.register_buffer("positions", torch.tensor([index for index, chosen in enumerate(channels) if chosen]), persistent=False)

    def draw(self, n: int, generator: Generator) -> object:
        return self.op.draw(n, generator)

    def apply(self, x: Tensor, params: object) -> Tensor:  # type: ignore[override]
        return x.index_copy(1, self.positions, self.op.apply(x[:, self.positions], params))


def augmentation(fingerprint: Fingerprint, bands: Sequence[Band | None]) -> Augmentation:
    """The views of these images. Strengths are reflectances, taken to the unit that the images are in."""
    if fingerprint.unit == "dB":
        return _arranged(fingerprint, bands, _radar())
    one = _one_reflectance(fingerprint)
    reflective = [band is None or band.nm < REFLECTIVE_NM for band in bands]
    physics: list[ViewOp] = [SharedGain(0.2), ChannelGain(0.05), *_air(bands, reflective, one), Noise((0.0, 0.005 * one), p=0.5)]
    if not all(reflective):
        physics = [Only(op, reflective) if isinstance(op, SharedGain | ChannelGain | Noise) else op for op in physics]
    return _arranged(fingerprint, bands, [*physics, LowResolution((1.0, 2.0), p=0.2), Blur((0.3, 1.0), p=0.2)])


def _radar() -> list[ViewOp]:
    """Backscatter in decibel: gains are offsets, and speckle, which multiplies, is added. No light, so neither haze nor clouds."""
    return [SharedOffset(1.0), ChannelOffset(0.5), Noise((0.0, 1.5), p=0.5), LowResolution((1.0, 2.0), p=0.2)]


def _arranged(fingerprint: Fingerprint, bands: Sequence[Band | None], physics: list[ViewOp]) -> Augmentation:
    """Around the sensor's ops those that every image of the ground has."""
    small = min(fingerprint.smallest[-2:]) <= SMALL_TILE
    return Augmentation(
        geometry=[Dihedral()],
        physics=physics,
        late=[ChannelDrop(0.3, p=0.3)] if len(bands) > FEW_BANDS else [],
        global_scale=(0.4, 1.0) if small else (0.2, 1.0),
        local_scale=(0.12, 0.4) if small else (0.05, 0.25),
    )


def _air(bands: Sequence[Band | None], reflective: Sequence[bool], one: float) -> list[ViewOp]:
    """Haze and clouds, where every wavelength is known."""
    known = [band for band in bands if band is not None]
    if len(known) < len(bands):
        return []
    return [Haze([band.nm for band in known], (0.0, 0.06 * one)), Clouds(reflective, white=0.5 * one)]


def _one_reflectance(fingerprint: Fingerprint) -> float:
    """What a reflectance of 1 is in the images' unit: pictures show 0.3 as white; unknown numbers are measured by their usual spread."""
    if fingerprint.unit == "reflectance":
        return 1.0
    if fingerprint.unit == "display":
        return 1 / WHITE
    return float(torch.tensor(fingerprint.std).median()) / 0.05
