"""Blocks of ground, as large everywhere on Earth: strips along parallels, cut into equal cells; squares on the planes of local systems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from labelfree.data.overlaps import E2, A, Ground
from labelfree.domain import Place

PATCHES = 16  # side of a block in patches
LEAST = 1000.0  # metres
LATITUDES = np.radians(np.linspace(-90, 90, 3601))


@dataclass(frozen=True)
class Blocks:
    """The blocks that places stand in. `side`: of a block on each plane (`Ground.plane`), `patch`: of the median image there.

    Metres, one number for all planes whose unit is known; else in that plane's unit, and then nothing says how long a kilometre is.
    """

    places: Sequence[Place]
    ground: Ground
    side: Mapping[int, float]
    patch: Mapping[int, float]

    @staticmethod
    def over(places: Sequence[Place]) -> Blocks:
        """Blocks 16 median patches wide, at least 1 km."""
        ground = Ground.of(places)
        planes, first = np.unique(ground.plane, return_index=True)
        patch = ground.typical[first]
        side = np.where(ground.known[first], np.maximum(PATCHES * patch, LEAST), PATCHES * patch)
        by_plane = (dict(zip(planes.tolist(), values.tolist(), strict=True)) for values in (side, patch))
        return Blocks(places, ground, *by_plane)

    def smaller(self) -> Blocks | None:
        """Blocks of half the side; None where that would be less than one patch."""
        halved = {plane: side / 2 if side / 2 >= self.patch[plane] else side for plane, side in self.side.items()}
        return None if halved == self.side else replace(self, side=halved)

    def names(self) -> list[str]:
        """The block of each place."""
        blocks = [""] * len(self.places)
        for plane, side in self.side.items():
            rows = np.flatnonzero(self.ground.plane == plane)
            if plane == 0:
                name, cells = "block", _cells(self.ground.lonlat[rows], side)
            else:
                name, cells = self.places[rows[0]].crs, np.floor(self.ground.middles[rows, 1::-1] / side).astype(np.int64)
            for position, (row, column) in zip(rows.tolist(), cells.tolist(), strict=True):
                blocks[position] = f"{name} {column}/{row}"
        return blocks

    def __str__(self) -> str:
        known = set(self.ground.plane[self.ground.known].tolist())
        lengths = {length(side) for plane, side in self.side.items() if plane in known}
        widths = {side / self.patch[plane] for plane, side in self.side.items() if plane not in known}
        return " or ".join((*lengths, *(f"{number:.3g} images' width (the unit of coordinates is not known)" for number in widths)))


def length(metres: float) -> str:
    """A length for a person to read."""
    return f"{metres / 1000:.3g} km" if metres >= 999.5 else f"{metres:.3g} m"


def _cells(lonlat: np.ndarray, side: float) -> np.ndarray:
    """(n, 2) numbers of the strip and of the cell in it, for points (n, 2) in degrees.

    Strips are `side` high along the meridian. As many cells make a whole turn as keep each at most `side` wide where its strip is
    longest: so no two points of one are further apart than its diagonal.
    """
    strip = np.floor(_meridian(np.radians(np.clip(lonlat[:, 1], -90, 90))) / side)
    longest = np.interp(np.where(strip < 0, strip + 1, strip) * side, _meridian(LATITUDES), LATITUDES)  # its edge nearer to the equator
    turn = 2 * np.pi * A * np.cos(longest) / np.sqrt(1 - E2 * np.sin(longest) ** 2)
    count = np.maximum(np.ceil(turn / side), 1)
    cell = np.floor((lonlat[:, 0] + 180) % 360 / 360 * count)
    return np.stack([strip, cell], axis=1).astype(np.int64)


def _meridian(latitude: np.ndarray) -> np.ndarray:
    """Metres along a meridian from the equator to latitudes in radians, on the ellipsoid (Helmert's series, Bessel 1837)."""
    n = (1 - np.sqrt(1 - E2)) / (1 + np.sqrt(1 - E2))
    waves = (1 + n**2 / 4) * latitude - 1.5 * n * np.sin(2 * latitude) + 15 / 16 * n**2 * np.sin(4 * latitude)
    metres: np.ndarray = A / (1 + n) * waves
    return metres
