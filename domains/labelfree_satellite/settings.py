"""What the reader of satellite images is told: its keys in a recipe and a data card, and what their words mean."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from labelfree_satellite.sensors import Sensor, canonical, find_sensor

if TYPE_CHECKING:
    from labelfree_satellite.reader import Raster

Positive = Annotated[float, Field(gt=0)]
KEYS_FOR = {  # what sentences of the core name, where files must be told
    "channels": "reader.bands",
    "unit": "reader.unit",
    "scale": "reader.sensor or reader.unit",
    "gaps": "reader.nodata",
    "zeros": "reader.nodata=0",
}
UNITS = ("reflectance", "display", "stored", "dB")  # that something is made of; any other name is taken as it stands


class Reader(BaseModel):
    """Keys of the satellite domain's reader. A data card may say `scale` beside `unit`: stored numbers times it are in that unit."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    sensor: str | None = Field(None, description="sensor whose scale and wavelengths apply, e.g. sentinel-2-l1c")
    bands: list[str] | None = Field(None, description="names of the bands in stored order, where the files do not say; `-` leaves one out")
    unit: str | None = Field(None, description="unit of the stored numbers, where neither file, card nor sensor says")
    nodata: float | list[float] | Literal["none"] | None = Field(
        None, description="numbers that stand for no measurement, besides those that files declare; none: no number does"
    )
    resolution: Positive | None = Field(
        None, description="pixel size of the grid on which scenes in several files are read, in the unit of their coordinates"
    )
    chip: Annotated[int, Field(gt=0)] | None = Field(
        None, description="side in pixels of the chip for each shape of a vector file; default: what nine in ten need"
    )
    layer: str | None = Field(None, description="layer of a vector file that holds several")
    background: str | None = Field(
        None, description="class of the ground outside every shape of a vector file; default: not known, so it gives no label"
    )

    @model_validator(mode="before")
    @classmethod
    def _scale_within_the_unit(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        plain = {key: list(value) if isinstance(value, tuple) else value for key, value in given.items()}
        scale = plain.pop("scale", None)
        if scale is None:
            return plain
        if not isinstance(scale, int | float) or scale <= 0:
            raise ValueError(f"scale must be a number above 0, not {scale!r}")
        return {**plain, "unit": f"{plain['unit']} × {1 / scale:g}"} if isinstance(plain.get("unit"), str) else plain

    @field_validator("sensor")
    @classmethod
    def _known_sensor(cls, name: str | None) -> str | None:
        if name is not None:
            find_sensor(name)
        return name

    @field_validator("bands")
    @classmethod
    def _each_band_once(cls, bands: list[str] | None, info: ValidationInfo) -> list[str] | None:
        sensor = info.data.get("sensor")
        named = [canonical(band, find_sensor(sensor) if sensor else None) for band in bands or () if band != "-"]
        if len(set(named)) < len(named):
            raise ValueError(f"a name stands twice in {', '.join(named)}")
        return bands

    @field_validator("unit")
    @classmethod
    def _known_unit(cls, text: str | None) -> str | None:
        if text:
            unit_of(text)
        return text

    @field_validator("nodata", mode="before")
    @classmethod
    def _numbers_or_none(cls, given: Any) -> Any:
        if not isinstance(given, str):
            return given
        if given.strip().lower() != "none":
            raise ValueError(f"{given!r} is neither a number, nor several as [0, -9999], nor none")
        return "none"

    @property
    def channels(self) -> list[str] | None:
        """What the channels are called, where `bands` tells."""
        return [band for band in self.bands if band != "-"] if self.bands else None


def unit_of(text: str) -> tuple[str, float, float]:
    """`reflectance × 10000 - 0.1`: stored numbers over 10000, less 0.1, are the reflectance: (unit, scale, offset). Raises ValueError."""
    number = r"([0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?)"
    parts = re.fullmatch(rf"\s*([a-zA-Z_ ]+?)\s*(?:[×x*]\s*{number})?(?:\s+([-−+])\s+{number})?\s*", text)
    if not parts or (parts[2] and float(parts[2]) == 0):
        raise ValueError(f"{text!r} is not known; write `reflectance × 10000`, `reflectance`, `display × 255` or `stored`")
    name = next((unit for unit in UNITS if unit.lower() == parts[1].lower()), parts[1])
    offset = float(parts[4] or 0) * (1 if parts[3] == "+" else -1)
    return name, 1 / float(parts[2]) if parts[2] else 1.0, offset or 0.0


def numbers(nodata: float | Sequence[float] | Literal["none"] | None) -> tuple[float, ...] | Literal["none"]:
    """What `reader.nodata` declares: several numbers, or that there is none."""
    if nodata is None or nodata == "none":
        return nodata or ()  # type: ignore[return-value]
    return (float(nodata),) if isinstance(nodata, int | float) else tuple(map(float, nodata))


def scale_of(
    raster: Raster, kept: list[int], channels: tuple[str, ...], sensor: Sensor | None, given: tuple[str, float, float] | None
) -> tuple[tuple[float, ...], tuple[float, ...], str]:
    """Scale and offset a channel and the unit they lead to: `given` by the recipe, else the file's, else the sensor's, else the dtype's."""
    import numpy as np

    n = len(channels)
    if given:
        return (given[1],) * n, (given[2],) * n, given[0]
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
