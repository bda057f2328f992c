"""The satellite domain: `labelfree.domain.Domain` for reflectance rasters and for 8-bit pictures of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelfree.domain import Default, Defaults, Fingerprint, ForeignWeights, LabelFields, Place, Row, Sample, Shown
from labelfree.errors import DataError, RecipeError
from labelfree_satellite.sensors import (
    SENSORS,
    Band,
    Sensor,
    beyond_rgb,
    canonical,
    described,
    find_sensor,
    matched,
    rescaled,
    rgb_positions,
)

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from labelfree.views import Augmentation
    from labelfree_satellite.polygons import Footprint
    from labelfree_satellite.reader import Raster
    from labelfree_satellite.scenes import Scene

SMALL_FILE = 2**20  # bytes; no file so small is worth a look at its size
READER = 2  # raise it when `read` returns something else for the same file: pools are made anew


class Satellite:
    """Images of the ground from above.

    Args: `bands`: names in stored order, where the files do not say, `-` for one to leave out. `sensor`: a name of `sensors.SENSORS`.
    `resolution`: of the grid on which products in several files are read, in the unit of their coordinates; default the finest layer's.
    `unit`: what the stored numbers are, such as "reflectance × 10000"; it goes before the scale of file and sensor.
    Units of what is read: "reflectance" (thermal bands kelvin), "display" (8-bit pictures over 255, 16-bit ones over 65535),
    "stored" where nobody knows.
    """

    name = "satellite"
    positives = ("date", "neighbour")

    def __init__(
        self, bands: Sequence[str] | None = None, sensor: str | None = None, unit: str | None = None, resolution: float | None = None
    ) -> None:
        self.unit = _unit(unit) if unit else None
        self.resolution = resolution
        self.products: set[str] = set()  # sensors of the products that were opened
        self.sensor = find_sensor(sensor) if sensor else None
        if self.sensor and self.unit:
            self.sensor = rescaled(self.sensor, self.unit[1], 0.0)
        self.bands = tuple(canonical(band, self.sensor) for band in bands) if bands else None
        named = [band for band in self.bands or () if band != "-"]
        if len(set(named)) < len(named):
            raise RecipeError(f"data.bands: a name stands twice in {', '.join(named)}.")

    def settings(self) -> Mapping[str, Any]:
        return {
            "domain": self.name,
            "bands": list(self.bands) if self.bands else None,
            "sensor": self.sensor.name if self.sensor else None,
            "unit": list(self.unit) if self.unit else None,
            "resolution": self.resolution,
            "reader": READER,
        }

    def files(self, root: Path) -> list[Path]:
        """Rasters and pictures, and products (SAFE folders and zips, folders with a file a band), each as one."""
        from labelfree_satellite.images import images_under

        return images_under(root)

    @property
    def kinds(self) -> str:
        from labelfree_satellite.images import KINDS

        return KINDS

    @property
    def advice(self) -> Mapping[str, str]:
        from labelfree_satellite.images import ADVICE

        return ADVICE

    def remote(self, text: str) -> bool:
        from labelfree_satellite.reader import ADDRESS

        return ADDRESS.match(text) is not None

    def extent(self, row: Row) -> tuple[int, int] | None:
        from labelfree_satellite.grids import WHOLE
        from labelfree_satellite.reader import PICTURES, size_of

        if _holds_files(row):
            grid = self._scene(row.path).grid
            return grid.height, grid.width
        small = (
            row.remote is None and row.path.suffix.lower() != ".vrt" and (not row.path.is_file() or row.path.stat().st_size < SMALL_FILE)
        )
        if small or row.path.suffix.lower() in PICTURES:
            return None  # pictures have no cheap windows; small files need none
        size = size_of(row.where)
        return size if size and size[0] * size[1] > WHOLE else None

    def read(self, row: Row) -> Sample:
        import numpy as np
        import torch

        from labelfree_satellite.reader import selected

        raster, sensor = self._raster(row)
        names = [canonical(name, sensor) if name else None for name in raster.names]
        kept, channels = selected(row.where, raster, self.bands, names)
        if len(self.products) > 1 and len(self._meant(channels)) > 1:
            sensors = ", ".join(sorted(self.products))
            raise DataError(f"{row.where}: the scenes are of {sensors}, which mean different bands by the same names; keep those of one.")
        scale, offset, unit = self._scale(raster, kept, channels, sensor)
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

    def shapes(self, file: Path, fields: LabelFields, images: Sequence[Row]) -> tuple[list[Row], list[str]] | None:
        from labelfree_satellite.polygons import chips
        from labelfree_satellite.vectors import is_vector

        if not is_vector(file):
            return None
        return chips(file, fields, [found for row in images if (found := self._footprint(row)) is not None])

    def partners(self, kind: str, images: Sequence[Shown], within: float | None) -> list[list[int]]:
        from labelfree_satellite.pairs import KINDS

        return KINDS[kind](images, lambda image: self._date(image.row), within)

    def on_one_map(self, places: Sequence[Place]) -> list[Place]:
        from labelfree_satellite.places import on_one_map

        return on_one_map(places)

    def foreign(self, name: str) -> ForeignWeights:
        from labelfree_satellite.foreign import published

        return published(name)

    def _date(self, row: Row) -> str | None:
        """When an image was taken: its owner says so, its product, or a name."""
        from labelfree_satellite.products import date_in

        if row.date or not _holds_files(row):
            return row.date or date_in(row.path.stem) or date_in(row.path.parent.name)
        return self._scene(row.path).product.date

    def _footprint(self, row: Row) -> Footprint | None:
        """Where an image lies; None without coordinates."""
        from labelfree_satellite.polygons import Footprint
        from labelfree_satellite.reader import grid_of, measured

        if _holds_files(row):
            scene = self._scene(row.path)
            return Footprint(row, scene.grid, self._date(row), scene.measured)
        grid = grid_of(row.path)
        return None if grid is None else Footprint(row, grid, self._date(row), partial(measured, row.path))

    def _raster(self, row: Row) -> tuple[Raster, Sensor | None]:
        """What the row names, and the sensor whose scale holds: a product's own, whose metadata know of its offset, else the recipe's."""
        from labelfree_satellite.reader import open_raster

        if not _holds_files(row):
            return open_raster(row.where, row.window, coarser=not _dense(row)), self.sensor
        scene = self._scene(row.path)
        own = find_sensor(scene.product.sensor) if scene.product.sensor else None
        return scene.raster(row.window, coarser=not _dense(row)), own or self.sensor

    def _scene(self, path: Path) -> Scene:
        from labelfree_satellite.scenes import open_scene

        scene = open_scene(path, self.resolution)
        if scene.product.sensor:
            self.products.add(scene.product.sensor)
        return scene

    def _scale(
        self, raster: Raster, kept: list[int], channels: tuple[str, ...], sensor: Sensor | None
    ) -> tuple[tuple[float, ...], tuple[float, ...], str]:
        """Scale and offset a channel and the unit they lead to: the recipe's, else the file's, else the sensor's, else the dtype's."""
        import numpy as np

        n = len(channels)
        if self.unit:
            return (self.unit[1],) * n, (0.0,) * n, self.unit[0]
        if raster.scale and raster.offset:
            units = {raster.units[index] for index in kept}
            unit = sensor.unit if sensor else (units.pop() if len(units) == 1 else "") or "stored"
            return tuple(raster.scale[index] for index in kept), tuple(raster.offset[index] for index in kept), unit
        integer = raster.data.dtype.kind in "ui"
        if sensor and (sensor.unit == "display") == (raster.data.dtype == np.uint8):  # bytes are pictures, not reflectance
            bands = [sensor.band(name) for name in channels]
            if not integer:  # a float raster was scaled by whoever wrote it
                return (1.0,) * n, (0.0,) * n, sensor.unit
            if all(bands):
                return tuple(band.scale for band in bands if band), tuple(band.offset for band in bands if band), sensor.unit
            if sensor.uniform:
                return (sensor.uniform[0],) * n, (sensor.uniform[1],) * n, sensor.unit
        if raster.picture and integer:
            return (1 / float(np.iinfo(raster.data.dtype).max),) * n, (0.0,) * n, "display"
        return (1.0,) * n, (0.0,) * n, "stored"

    def known(self, channels: Sequence[str]) -> tuple[Band | None, ...]:
        """What is known of each channel, by name and the sensor (the recipe's, else that of the products); None where nothing is."""
        return described(channels, self.sensor or self._of_products(channels))

    def _of_products(self, channels: Sequence[str]) -> Sensor | None:
        """The sensor of the products, where all of them mean the same bands by these names: offsets may differ."""
        return find_sensor(min(self.products)) if len(self._meant(channels)) == 1 else None

    def _meant(self, channels: Sequence[str]) -> set[tuple[float | None, ...]]:
        """The wavelengths that the sensors of the products mean by these names, as many times as they differ."""
        sensors = [find_sensor(name) for name in tuple(self.products)]
        return {tuple((band.nm if (band := sensor.band(name)) else None) for name in channels) for sensor in sensors}

    def rgb(self, channels: Sequence[str]) -> tuple[int, int, int] | None:
        return rgb_positions(self.known(channels))

    def matches(self, channels: Sequence[str], known: Sequence[str], once: bool = False) -> tuple[int | None, ...]:
        return matched(channels, self.known(channels), known, once)

    def render(self, x: Tensor, channels: Sequence[str], unit: str) -> Tensor | None:
        from labelfree_satellite.rendering import render

        return render(x, channels, self.rgb(channels), unit)

    def derived(self, x: Tensor, channels: Sequence[str], unit: str) -> Tensor:
        import torch

        from labelfree_satellite.indices import available, normalised_difference

        pairs = available(self.known(channels)).values() if unit in ("reflectance", "display") else ()
        return torch.stack([normalised_difference(x, a, b) for a, b in pairs], dim=1) if pairs else x[:, :0]

    def preview(self, sample: Sample, index: str | None = None) -> np.ndarray:
        """(H, W, 3) uint8: colours, or one of the indices `ndvi`, `ndwi`, `nbr` from brown (-1) over white to green (1)."""
        from labelfree_satellite.indices import available, normalised_difference
        from labelfree_satellite.rendering import preview, two_sided

        if index is None:
            return preview(sample.physical(), self.rgb(sample.channels))
        pairs = available(self.known(sample.channels))
        if index not in pairs:
            raise RecipeError(f"{index}: these bands ({', '.join(sample.channels)}) allow {', '.join(pairs) or 'no index'}.")
        return two_sided(normalised_difference(sample.physical(), *pairs[index]))

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
        from labelfree_satellite.generated_scenes import generate_scenes

        if variant not in ("", "rgb", "scenes"):
            variants = "'' (13 bands), 'rgb' (8-bit pictures) or 'scenes' (two dates of one place with polygons)"
            raise DataError(f"variant {variant!r}: the generated sample comes as {variants}.")
        if variant == "scenes":
            generate_scenes(directory, seed)
        else:
            generate(directory, seed, variant)
        text = "These images are GENERATED by labelfree_satellite: they exercise the pipeline and say nothing about methods or the Earth.\n"
        (directory / "GENERATED.txt").write_text(text, encoding="utf-8")


def _holds_files(row: Row) -> bool:
    """Whether an image is a folder or an archive: then it is a product."""
    return row.remote is None and (row.path.is_dir() or row.path.suffix.lower() == ".zip")


def _dense(row: Row) -> bool:
    """Whether masks or boxes fit an image pixel by pixel: then it is never read coarser."""
    return row.mask is not None or row.boxes is not None


def _unit(text: str) -> tuple[str, float]:
    """`reflectance × 10000` says that stored numbers are 10000 times the reflectance: (unit, scale)."""
    found = re.fullmatch(r"\s*([a-zA-Z_ ]+?)\s*(?:[×x*]\s*([0-9.]+(?:[eE]\d+)?))?\s*", text)
    if not found or (found[2] and float(found[2]) == 0):
        raise RecipeError(f"data.unit: {text!r} is not known; write `reflectance × 10000`, `reflectance`, `display × 255` or `stored`.")
    return found[1], 1 / float(found[2]) if found[2] else 1.0
