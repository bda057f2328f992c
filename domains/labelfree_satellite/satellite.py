"""The satellite domain: `labelfree.domain.Domain` for reflectance rasters and for 8-bit pictures of them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelfree.domain import Default, Defaults, Fingerprint, Row, Sample
from labelfree.errors import RecipeError
from labelfree_satellite.sensors import SENSORS, Band, beyond_rgb, canonical, described, find_sensor, matched, rescaled, rgb_positions

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from labelfree.views import Augmentation
    from labelfree_satellite.reader import Raster

READER = 1  # raise it when `read` returns something else for the same file: pools are made anew


class Satellite:
    """Images of the ground from above.

    Args: `bands`: names in stored order, where the files do not say, `-` for one to leave out. `sensor`: a name of `sensors.SENSORS`.
    `unit`: what the stored numbers are, such as "reflectance × 10000"; it goes before the scale of file and sensor.
    Units of what is read: "reflectance" (thermal bands kelvin), "display" (8-bit pictures over 255, 16-bit ones over 65535),
    "stored" where nobody knows.
    """

    name = "satellite"

    def __init__(self, bands: Sequence[str] | None = None, sensor: str | None = None, unit: str | None = None) -> None:
        self.unit = _unit(unit) if unit else None
        self.sensor = find_sensor(sensor) if sensor else None
        if self.sensor and self.unit:
            self.sensor = rescaled(self.sensor, self.unit[1], 0.0)
        self.bands = tuple(canonical(band, self.sensor) for band in bands) if bands else None
        named = [band for band in self.bands or () if band != "-"]
        if len(set(named)) < len(named):
            raise RecipeError(f"data.bands: a name stands twice in {', '.join(named)}.")

    def settings(self) -> Mapping[str, Any]:
        bands, unit = list(self.bands) if self.bands else None, list(self.unit) if self.unit else None
        return {"domain": self.name, "bands": bands, "sensor": self.sensor.name if self.sensor else None, "unit": unit, "reader": READER}

    def files(self, root: Path) -> list[Path]:
        from labelfree_satellite.reader import SUFFIXES

        found = []
        for folder, inside, names in os.walk(root, followlinks=True):
            inside[:] = [name for name in inside if not name.startswith((".", "__"))]
            found += [Path(folder, name) for name in names if Path(name).suffix.lower() in SUFFIXES and not name.startswith(".")]
        return sorted(found)

    def read(self, row: Row) -> Sample:
        import numpy as np
        import torch

        from labelfree_satellite.reader import open_raster, selected

        raster = open_raster(row.path)
        names = [canonical(name, self.sensor) if name else None for name in raster.names]
        kept, channels = selected(row.path, raster, self.bands, names)
        scale, offset, unit = self._scale(raster, kept, channels)
        data = raster.data if kept == list(range(len(raster.data))) else np.ascontiguousarray(raster.data[kept])
        return Sample(
            data=torch.from_numpy(data),
            channels=channels,
            scale=scale,
            offset=offset,
            unit=unit,
            spacing=raster.spacing,
            crs=raster.crs,
            bounds=raster.bounds,
            nodata=raster.nodata,
            source=row.id,
            tags=raster.tags,
        )

    def _scale(self, raster: Raster, kept: list[int], channels: tuple[str, ...]) -> tuple[tuple[float, ...], tuple[float, ...], str]:
        """Scale and offset a channel and the unit they lead to: the recipe's, else the file's, else the sensor's, else the dtype's."""
        import numpy as np

        n = len(channels)
        if self.unit:
            return (self.unit[1],) * n, (0.0,) * n, self.unit[0]
        if raster.scale and raster.offset:
            units = {raster.units[index] for index in kept}
            unit = self.sensor.unit if self.sensor else (units.pop() if len(units) == 1 else "") or "stored"
            return tuple(raster.scale[index] for index in kept), tuple(raster.offset[index] for index in kept), unit
        integer = raster.data.dtype.kind in "ui"
        if self.sensor and (self.sensor.unit == "display") == (raster.data.dtype == np.uint8):  # bytes are pictures, not reflectance
            bands = [self.sensor.band(name) for name in channels]
            if not integer:  # a float raster was scaled by whoever wrote it
                return (1.0,) * n, (0.0,) * n, self.sensor.unit
            if all(bands):
                return tuple(band.scale for band in bands if band), tuple(band.offset for band in bands if band), self.sensor.unit
            if self.sensor.uniform:
                return (self.sensor.uniform[0],) * n, (self.sensor.uniform[1],) * n, self.sensor.unit
        if raster.picture and integer:
            return (1 / float(np.iinfo(raster.data.dtype).max),) * n, (0.0,) * n, "display"
        return (1.0,) * n, (0.0,) * n, "stored"

    def known(self, channels: Sequence[str]) -> tuple[Band | None, ...]:
        """What is known of each channel, by name; None where nothing is."""
        return described(channels, self.sensor)

    def rgb(self, channels: Sequence[str]) -> tuple[int, int, int] | None:
        return rgb_positions(self.known(channels))

    def matches(self, channels: Sequence[str], known: Sequence[str]) -> tuple[int | None, ...]:
        return matched(channels, self.known(channels), known)

    def render(self, x: Tensor, channels: Sequence[str], unit: str) -> Tensor | None:
        from labelfree_satellite.rendering import render

        return render(x, channels, self.rgb(channels), unit)

    def preview(self, sample: Sample) -> np.ndarray:
        from labelfree_satellite.rendering import preview

        return preview(sample.physical(), self.rgb(sample.channels))

    def augment(self, fingerprint: Fingerprint) -> Augmentation:
        from labelfree_satellite.augmentation import augmentation

        return augmentation(fingerprint, self.known(fingerprint.channels))

    def missing(self, channels: Sequence[str]) -> list[str]:
        bands = self.known(channels)
        unknown = [name for name, band in zip(channels, bands, strict=True) if band is None]
        if tuple(channels) == ("gray",) or not unknown:
            return []
        lost = "haze and clouds are left out of the views" + ("" if self.rgb(channels) else ", arms that read RGB out of the comparison")
        some = ", ".join(unknown[:3]) + (", …" if len(unknown) > 3 else "")
        if any(re.fullmatch(r"band_\d+", name) for name in unknown):
            names = "blue, green, red, nir or the like, or a sensor's own names with data.sensor=…"
            line = f"data.bands=[…] with {len(channels)} names in stored order ({names})"
        elif self.sensor is None:
            line = f"data.sensor=… (one of {', '.join(SENSORS)})"
        else:
            line = f"names of {self.sensor.name} to data.bands ({', '.join(band.name for band in self.sensor.bands)})"
        return [f"No wavelength is known for {some}: {lost}; add {line}."]

    def plan(self, fingerprint: Fingerprint) -> Defaults:
        side = min(fingerprint.smallest[-2:])
        size = max(32, min(224, side // 32 * 32))
        local = {224: 96}.get(size, max(32, size // 2 // 16 * 16))
        return {
            "pretrain.size": Default(size, f"the images' {side} px side in whole strides of 32: upscaled pixels teach nothing"),
            "pretrain.local_size": Default(local, "about half a global view, near the images' own resolution"),
        }

    def recognises(self, sample: Sample) -> str | None:
        """Coordinates, or bands named as sensors of the ground name them; a plain RGB or gray picture may show anything."""
        if sample.crs is not None:
            return f"it has coordinates ({sample.crs})"
        if named := beyond_rgb(sample.channels):
            return f"its bands are named {', '.join(named[:3])}" + (", …" if len(named) > 3 else "")
        return None

    def generate(self, directory: Path, seed: int = 0, variant: str = "") -> None:
        from labelfree_satellite.generated import generate

        generate(directory, seed, variant)


def _unit(text: str) -> tuple[str, float]:
    """`reflectance × 10000` says that stored numbers are 10000 times the reflectance: (unit, scale)."""
    found = re.fullmatch(r"\s*([a-zA-Z_ ]+?)\s*(?:[×x*]\s*([0-9.]+(?:[eE]\d+)?))?\s*", text)
    if not found or (found[2] and float(found[2]) == 0):
        raise RecipeError(f"data.unit: {text!r} is not known; write `reflectance × 10000`, `reflectance`, `display × 255` or `stored`.")
    return found[1], 1 / float(found[2]) if found[2] else 1.0
