"""Views of parts: what lamps, lenses and sensors change between two pictures of one surface.

Never hue, no gains that differ between channels, no crops that could lose the smallest defect; no flips and turns where labels name
directions (`direction.mirror`). Anomalies are altered surfaces: an objective may ask for them, views that should be alike have none.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from labelfree.domain import Fingerprint
from labelfree.views import (
    Augmentation,
    Blur,
    Defocus,
    Dihedral,
    Glare,
    LightRamp,
    MotionBlur,
    Noise,
    Range,
    SensorNoise,
    SharedGain,
    SharedOffset,
    SoftShadow,
    ViewOp,
)
from labelfree_inspection.settings import REAL

SHOWN = 0.7  # probability with which a crop, as large as it comes, shows some of the smallest defect, wherever both lie
FLOOR, LEAST = 0.3, 0.2  # area of the smallest crop where nobody says how small defects are, and where they are large
SMALL_PICTURE = 64  # pixels; below, half the blur
FULL_WELL = 10_000  # electrons at white, of a usual sensor at its lowest gain; at the highest gain used a sixteenth


def augmentation(fingerprint: Fingerprint, white: float, smallest_defect: float | None = None, only_light: bool = False) -> Augmentation:
    """The views of these pictures.

    `white`: the number that stands for white. `smallest_defect`: longest side in pixels of the smallest defect
    that is labelled or expected; None: nobody says. `only_light`: nothing is cropped, flipped or turned.
    """
    floor = 1.0 if only_light else crop_floor(smallest_defect, min(fingerprint.smallest[-2:]))
    return Augmentation(
        geometry=[] if only_light else [Dihedral()],
        physics=_heights(fingerprint) if fingerprint.unit == REAL else _light(white, fingerprint),
        global_scale=(floor, 1.0),
        ratio=(1.0, 1.0) if only_light else (3 / 4, 4 / 3),
        local_scale=(floor / 2.5, floor),
        overlap=0.5,
        sideways=None,
    )


def crop_floor(smallest_defect: float | None, side: int) -> float:
    """Share of the area of an image or tile, `side` pixels long, that a crop has at least.

    A crop of area a and a defect of share d of the side that lie anywhere overlap along one axis with a probability of about sqrt(a) + d,
    1 at most. Areas are uniform from the floor to 1; the floor is the smallest from which that, squared, is `SHOWN` on average.
    """
    if smallest_defect is None:
        return FLOOR
    floors = np.linspace(LEAST, 1.0, 801)
    shown = np.minimum(np.sqrt(floors) + smallest_defect / side, 1.0) ** 2
    mean = shown[::-1].cumsum() / np.arange(1, len(floors) + 1)  # from each floor on, the last first
    return float(floors[::-1][mean >= SHOWN][-1])


def _light(white: float, fingerprint: Fingerprint) -> list[ViewOp]:
    """Ops on gray levels, of 8 bits or 16: strengths are shares of white."""
    finest = min(fingerprint.smallest[-2:]) >= SMALL_PICTURE
    return [
        SharedGain(0.25, p=0.8),
        LightRamp((0.0, 0.5), p=0.5),
        SoftShadow((0.1, 0.4), p=0.25),
        Glare((0.05 * white, 0.3 * white), p=0.2),
        *_lens(finest),
        SensorNoise((white / FULL_WELL, 16 * white / FULL_WELL), (0.0, 0.006 * white), p=0.5),
    ]


def _lens(finest: bool) -> Sequence[ViewOp]:
    """Out of focus, moving, or a soft lens; half of that on small pictures."""
    radius: Range = (0.5, 1.5) if finest else (0.5, 0.8)
    length: Range = (1.5, 4.0) if finest else (1.0, 2.0)
    return Defocus(radius, p=0.15), MotionBlur(length, p=0.1), Blur((0.3, 0.9) if finest else (0.2, 0.5), p=0.15)


def _heights(fingerprint: Fingerprint) -> list[ViewOp]:
    """Ops on real numbers, on which light and sensors act otherwise or not at all: another zero, and noise of a twentieth of the spread."""
    spread = float(sum(fingerprint.std) / max(len(fingerprint.std), 1))
    return [SharedOffset(0.5 * spread, p=0.5), Blur((0.3, 0.9), p=0.15), Noise((0.0, 0.05 * spread), p=0.5)]
