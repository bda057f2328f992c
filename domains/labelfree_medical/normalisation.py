"""How physical numbers become a network's input: a window of HU, each image by itself where numbers have no unit, else the whole set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from labelfree_medical.settings import BYTES

if TYPE_CHECKING:
    from labelfree.domain import Fingerprint
    from labelfree.views import Normalise

MEASURES = ("HU", "SUV", "Bq/ml", BYTES)  # units in which one number means one thing in every image


def normalisation(fingerprint: Fingerprint, window: tuple[float, float] | None, by: Literal["auto", "set", "image"]) -> Normalise:
    """A window where one is given; else by image or by set as asked. `auto`: numbers without a unit, as of MR, differ from scanner to
    scanner, so each image is its own measure.
    """
    from labelfree.views import PerChannel, PerImage, ValueWindow

    if window is not None:
        return ValueWindow(*window)
    if by == "image" or (by == "auto" and fingerprint.unit not in MEASURES):
        return PerImage()
    return PerChannel(fingerprint.mean, fingerprint.std)
