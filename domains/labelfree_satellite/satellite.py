"""The satellite domain: `labelfree.domain.Domain` for reflectance rasters and for 8-bit pictures of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelfree.domain import (
    Channel,
    Default,
    Defaults,
    Finding,
    Fingerprint,
    ForeignWeights,
    LabelFields,
    Place,
    Row,
    Sample,
    Shown,
    Window,
    require,
)
from labelfree.errors import DataError, RecipeError
from labelfree_satellite import box_shapes, class_maps, map_shapes, targets
from labelfree_satellite.diagnosis import QUIET, raster_reader
from labelfree_satellite.sensors import (
    SENSORS,
    Band,
    Sensor,
    beyond_rgb,
    canonical,
    described,
    find_sensor,
    match_channels,
    rescaled,
    rgb_positions,
    sensor_of,
    told_by,
)
from labelfree_satellite.settings import KEYS_FOR, Reader, numbers, scale_of, unit_of

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from labelfree.views import Augmentation
    from labelfree_satellite.gaps import Gaps
    from labelfree_satellite.polygons import Footprint
    from labelfree_satellite.reader import Declaration, Raster
    from labelfree_satellite.scenes import Scene

SMALL_FILE = 2**20  # bytes; no file so small is worth a look at its size
READER = 4  # raise it when `read` returns something else for the same file: pools are made anew


class Satellite:
    """Images of the ground from above.

    Args: `bands`: names in stored order, where the files do not say, `-` for one to leave out. `sensor`: a name of `sensors.SENSORS`.
    `resolution`: of the grid on which products in several files are read, in the unit of their coordinates; default the finest layer's.
    `unit`: what the stored numbers are, such as "reflectance × 10000" or "reflectance × 10000 - 0.1" (divided, then an offset added); it
    goes before the scale of file and sensor.
    `nodata`: numbers that stand for no measurement, besides what files declare; "none": no number does, whatever they declare.
    `chip`, `layer`, `background`: of vector files (`Reader`). Raises RecipeError naming the key.
    Units of what is read: "reflectance" (thermal bands kelvin), "display" (8-bit pictures over 255, 16-bit ones over 65535),
    "stored" where nobody knows.
    """

    name = "satellite"
    positives: Mapping[str, str] = dict.fromkeys(
        ("date", "neighbour"), "give files coordinates and dates in their names, or columns place and date in the table"
    )
    read_targets = staticmethod(targets.read_targets)
    write = staticmethod(targets.write)
    open_map = staticmethod(class_maps.open_map)
    region = staticmethod(map_shapes.region)
    outlines = staticmethod(map_shapes.outlines)
    rectangles = staticmethod(box_shapes.rectangles)
    prompts = Path(__file__).parent / "prompts.txt"
    demo = "satellite_dino"
    packages = ("rasterio",)
    quiet = QUIET
    keys_for = KEYS_FOR
    Reader = Reader

    def __init__(
        self,
        bands: Sequence[str] | None = None,
        sensor: str | None = None,
        unit: str | None = None,
        resolution: float | None = None,
        nodata: float | Sequence[float] | str | None = None,
        chip: int | None = None,
        layer: str | None = None,
        background: str | None = None,
    ) -> None:
        settings = require(
            Reader, bands=bands and list(bands), sensor=sensor, unit=unit, resolution=resolution, nodata=nodata, chip=chip, layer=layer,
            background=background,
        )  # fmt: skip
        self.unit = unit_of(settings.unit) if settings.unit else None
        self.resolution = settings.resolution
        self.sensor = find_sensor(settings.sensor) if settings.sensor else None
        if self.sensor and self.unit:
            self.sensor = rescaled(self.sensor, *self.unit[1:])
        self.bands = tuple(canonical(band, self.sensor) for band in settings.bands) if settings.bands else None
        self.nodata = numbers(settings.nodata)
        self.chip, self.layer, self.background = settings.chip, settings.layer, settings.background

    @cached_property
    def gaps(self) -> Gaps:
        """What stands for no measurement."""
        from labelfree_satellite.gaps import Gaps

        zero = "reflectance" in (self.sensor.unit if self.sensor else None, self.unit[0] if self.unit else None)
        return Gaps(believed=False) if self.nodata == "none" else Gaps(self.nodata, zero=zero)

    def settings(self) -> Mapping[str, Any]:
        return {
            "domain": self.name,
            "bands": list(self.bands) if self.bands else None,
            "sensor": self.sensor.name if self.sensor else None,
            "unit": list(self.unit) if self.unit else None,
            "resolution": self.resolution,
            "nodata": self.nodata,
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
        from labelfree_satellite.headers import ADDRESS

        return ADDRESS.match(text) is not None

    def extent(self, row: Row) -> tuple[int, int] | None:
        from labelfree_satellite.grids import WHOLE
        from labelfree_satellite.headers import size_of
        from labelfree_satellite.reader import PICTURES

        if _holds_files(row):
            try:
                grid = self._scene(row.path).grid
            except DataError:
                return None  # what is wrong with it is said when it is read
            return grid.height, grid.width
        tiny = not row.path.is_file() or row.path.stat().st_size < SMALL_FILE
        small = tiny and row.remote is None and row.path.suffix.lower() != ".vrt"
        if small or row.path.suffix.lower() in PICTURES:
            return None  # pictures have no cheap windows; small files need none
        size = size_of(row.where)
        return size if size and size[0] * size[1] > WHOLE else None

    def read(self, row: Row) -> Sample:
        import numpy as np
        import torch

        from labelfree.data.measured_pixels import fill
        from labelfree_satellite.gaps import measured_mask, require_bands, require_declared
        from labelfree_satellite.plausibility import require_plausible
        from labelfree_satellite.reader import ALPHA, select_bands

        raster, sensor = self._raster(row)
        names = [canonical(name, sensor) if name else None for name in raster.names]
        kept, channels = select_bands(row.called, raster, self.bands, names)
        bands = described(channels, sensor)
        scale, offset, unit = scale_of(raster, kept, channels, sensor, self.unit)
        data = raster.data if kept == list(range(len(raster.data))) else np.ascontiguousarray(raster.data[kept])
        beyond = None if raster.picture else self.gaps.outside(raster.data[[name != ALPHA for name in raster.names]])
        if row.window is None:  # at the edge of a swath a window may well lack a band
            require_bands(row.called, raster.missing, kept, channels)
        there = measured_mask(None if raster.missing is None else raster.missing[kept], (raster.outside, beyond), raster.picture)
        if there is not None:
            fill(data, there)
        require_declared(row.called, data, self.gaps)
        declared = raster.scale is not None and not self.unit
        require_plausible(row.called, data, there, scale, offset, unit, bands, sensor.uniform if sensor else None, declared)
        return Sample(
            data=torch.from_numpy(data),
            channels=tuple(_channel(name, band) for name, band in zip(channels, bands, strict=True)),
            scale=scale,
            offset=offset,
            unit=unit,
            spacing=raster.spacing,
            affine=raster.affine,
            crs=raster.crs,
            bounds=raster.bounds,
            measured=None if there is None else torch.from_numpy(there),
            source=row.id,
            tags=raster.tags,
        )

    def frame(self, row: Row) -> Sample | None:
        from labelfree_satellite.frames import frame_of

        return None if _holds_files(row) else frame_of(row, coarser=not _dense(row))

    def shapes(self, file: Path, fields: LabelFields, images: Sequence[Row]) -> tuple[list[Row], list[str]] | None:
        from labelfree_satellite.polygons import chips
        from labelfree_satellite.vectors import ShapeFields, is_vector

        if not is_vector(file):
            return None
        named = ShapeFields(*fields, self.chip, self.background, self.layer)
        return chips(file, named, [footprint for row in images if (footprint := self._footprint(row)) is not None])

    def partners(self, kind: str, images: Sequence[Shown], within: float | None) -> list[list[int]]:
        from labelfree_satellite.pairs import KINDS

        return KINDS[kind](images, lambda image: self._date(image.row), within)

    def located(self, places: Sequence[Place]) -> list[Place]:
        from labelfree_satellite.places import with_outlines

        return with_outlines(places)

    def foreign(self, name: str, told: Mapping[str, Any]) -> ForeignWeights:
        from labelfree_satellite.published_weights import published

        return published(name)

    def _date(self, row: Row) -> str | None:
        """When an image was taken: its owner says so, its product, or a name."""
        from labelfree_satellite.products import date_in

        if row.date or not _holds_files(row):
            return row.date or date_in(row.path.stem) or date_in(row.path.parent.name)
        return self._scene(row.path).product.date

    def _footprint(self, row: Row) -> Footprint | None:
        """Where an image lies; None without coordinates."""
        from labelfree_satellite.headers import grid_of
        from labelfree_satellite.polygons import Footprint

        if _holds_files(row):
            scene = self._scene(row.path)
            return Footprint(row, scene.grid, self._date(row), scene.share_measured)
        grid = grid_of(row.path)
        return None if grid is None else Footprint(row, grid, self._date(row), partial(self._share_measured, row))

    def _share_measured(self, row: Row, window: Window) -> float:
        """Share of a window that holds measurements."""
        return 1 - self.read(replace(row, window=window)).empty

    def _raster(self, row: Row) -> tuple[Raster, Sensor | None]:
        """What the row names, and the sensor whose scale holds: a product's own, whose metadata know of its offset, else the recipe's."""
        from labelfree_satellite.reader import open_raster

        if not _holds_files(row):
            return open_raster(row.where, row.window, coarser=not _dense(row), declaration=self._declaration()), self.sensor
        scene = self._scene(row.path)
        product_sensor = find_sensor(scene.product.sensor) if scene.product.sensor else None
        return scene.raster(row.window, coarser=not _dense(row)), product_sensor or self.sensor

    def _declaration(self) -> Declaration:
        """What is known of files before they are opened: `bands`, else a sensor's where a file has as many."""
        from labelfree_satellite.reader import Declaration

        names = self.bands or (tuple(band.name for band in self.sensor.bands) if self.sensor else None)
        return Declaration(names, self.gaps)

    def _scene(self, path: Path) -> Scene:
        from labelfree_satellite.scenes import open_scene

        return open_scene(path, self.resolution, self.gaps)

    def known(self, channels: Sequence[str]) -> tuple[Band | None, ...]:
        """What is known of each channel: by itself, else by its name and the recipe's sensor; None where nothing is."""
        return tuple(band or named for band, named in zip(map(told_by, channels), described(channels, self.sensor), strict=True))

    def rgb(self, channels: Sequence[str]) -> tuple[int, int, int] | None:
        return rgb_positions(self.known(channels))

    def matches(self, channels: Sequence[str], known: Sequence[str], once: bool = False) -> tuple[int | None, ...]:
        others = [told_by(name) or band for name, band in zip(known, described(known, sensor_of(known)), strict=True)]
        return match_channels(channels, self.known(channels), known, others, once)

    def render(self, x: Tensor, channels: Sequence[str], unit: str, measured: Tensor | None = None) -> Tensor | None:
        from labelfree_satellite.rendering import render

        return render(x, channels, self.rgb(channels), unit, measured)

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
            return preview(sample.physical(), self.rgb(sample.channels), sample.measured)
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
            names = "blue, green, red, nir or the like, or a sensor's own names with reader.sensor=…"
            line = f"reader.bands=[…] with {len(channels)} names in stored order ({names})"
        elif self.sensor is None:
            line = f"reader.sensor=… (one of {', '.join(SENSORS)})"
        else:
            line = f"names of {self.sensor.name} to reader.bands ({', '.join(band.name for band in self.sensor.bands)})"
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

    @staticmethod
    def diagnose() -> list[Finding]:
        """Whether rasters can be read here."""
        return [raster_reader()]

    def generate(self, directory: Path, seed: int = 0, variant: str = "") -> None:
        from labelfree_satellite.generated_patches import generate
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


def _channel(name: str, band: Band | None) -> Channel:
    """A name that carries what is known of its band."""
    return Channel(name) if band is None else Channel(name, band.common, band.nm)
