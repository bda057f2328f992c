"""Normalised differences of two bands: what an analyst looks at before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from labelfree_satellite.sensors import Band

if TYPE_CHECKING:
    from torch import Tensor

# Rouse et al. 1974; McFeeters 1996; Key and Benson 2006. Colours are those of `Band.common`; the first that is there is taken.
INDICES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "ndvi": (("nir", "nir08"), ("red",)),  # vegetation
    "ndwi": (("green",), ("nir", "nir08")),  # open water
    "nbr": (("nir", "nir08"), ("swir22",)),  # burnt ground
}


def available(bands: Sequence[Band | None]) -> dict[str, tuple[int, int]]:
    """The indices whose bands are there: name -> positions (a, b) of (a - b) / (a + b)."""
    colours = [band.common if band else None for band in bands]

    def position(names: tuple[str, ...]) -> int | None:
        return next((colours.index(name) for name in names if name in colours), None)

    positions = {name: (position(first), position(second)) for name, (first, second) in INDICES.items()}
    return {name: (a, b) for name, (a, b) in positions.items() if a is not None and b is not None}


def normalised_difference(x: Tensor, a: int, b: int) -> Tensor:
    """(a - b) / (a + b) of the channels of (..., C, H, W): (..., H, W) within -1 and 1, 0 where both are dark.

    Reflectances below 0, which atmospheric correction leaves over water, count as 0.
    """
    first, second = x.select(-3, a).clamp(min=0), x.select(-3, b).clamp(min=0)
    total = first + second
    return (first - second) / total.clamp(min=1e-6)
