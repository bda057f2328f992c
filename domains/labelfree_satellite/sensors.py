"""What each sensor's bands are: wavelength, resolution, and how stored numbers become reflectance, kelvin or decibel.

Sources: ESA Sentinel-2 user guides (spectral bands of S2A; offset of -1000 from processing baseline 04.00, 25 January 2022),
USGS Landsat 4-7 and 8-9 Collection 2 product guides, USDA NAIP metadata. Wavelengths are band centres.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from labelfree.domain import Channel

OFFSET = "-n0400"  # ends the names of sensors whose numbers have an offset, as ESA ships them since processing baseline 04.00
REFLECTIVE_NM = 3000.0  # beyond this a band measures emitted heat, not reflected sunlight


@dataclass(frozen=True)
class Band:
    """One band: `name` as the agency writes it, `common` as people call it, physical = stored * scale + offset."""

    name: str
    common: str
    nm: float
    metres: float
    scale: float
    offset: float = 0.0


@dataclass(frozen=True, eq=False)  # one object a product: what it calls a band is looked up for every file
class Sensor:
    """The bands of one product. `unit`: what scale and offset lead to (thermal bands: kelvin)."""

    name: str
    unit: str
    bands: tuple[Band, ...]

    @lru_cache(maxsize=4096)  # noqa: B019  (a process knows a few sensors)
    def band(self, name: str) -> Band | None:
        """The band that a name stands for: `B4`, `b04`, `SR_B4`, `red` and `B4, central wavelength 665 nm` all name Sentinel-2's B04."""
        code = re.match(r"\s*(b\d+a?)[,:;(\s]", name, re.IGNORECASE)
        for key in (_plain(name), *([_plain(code[1])] if code else [])):
            for band in self.bands:
                if key in (_plain(band.name), band.common, *ALIASES.get(band.common, ())):
                    return band
        return None

    @property
    def uniform(self) -> tuple[float, float] | None:
        """Scale and offset, where all bands share them: then they hold for unnamed bands too."""
        scalings = {(band.scale, band.offset) for band in self.bands}
        return scalings.pop() if len(scalings) == 1 else None


def _plain(name: str) -> str:
    """Upper or lower case, leading zeros and the prefixes of Landsat's Level 2 do not tell bands apart."""
    return re.sub(r"^(?:sr_|st_)?b0*(\d+a?)(?:_\d+m)?$", r"b\1", name.strip().lower()).replace("-", "").replace(" ", "")


# Names used for the same colour by different providers (STAC `eo:common_name` first).
ALIASES: dict[str, tuple[str, ...]] = {
    "coastal": ("coastal", "coastalaerosol", "aerosol", "ultrablue"),
    "blue": ("blue", "b", "bleu"),
    "green": ("green", "g"),
    "red": ("red", "r"),
    "rededge1": ("rededge1", "rededge071", "vre1", "re1", "rededge"),
    "rededge2": ("rededge2", "rededge075", "vre2", "re2"),
    "rededge3": ("rededge3", "rededge078", "vre3", "re3"),
    "nir": ("nir", "nearinfrared", "infrared"),
    "nir08": ("nir08", "nirnarrow", "narrownir", "nir8a", "nir"),  # Landsat 8 has no broad near infrared
    "nir09": ("nir09", "watervapour", "watervapor"),
    "cirrus": ("cirrus",),
    "swir16": ("swir16", "swir1", "swir_1"),
    "swir22": ("swir22", "swir2", "swir_2"),
    "pan": ("pan", "panchromatic"),
    "lwir11": ("lwir11", "tirs1", "thermal1"),
    "lwir12": ("lwir12", "tirs2", "thermal2"),
}
# Wavelengths of colour names where no sensor is given: good to some 20 nm, enough for what depends on their order.
COMMON_NM = {
    "coastal": 443.0, "blue": 485.0, "green": 560.0, "red": 660.0, "rededge1": 705.0, "rededge2": 740.0, "rededge3": 783.0, "nir": 840.0,
    "nir08": 865.0, "nir09": 945.0, "cirrus": 1374.0, "swir16": 1610.0, "swir22": 2200.0, "lwir11": 10900.0, "lwir12": 12000.0,
}  # fmt: skip

S2 = (
    ("B01", "coastal", 442.7, 60), ("B02", "blue", 492.4, 10), ("B03", "green", 559.8, 10), ("B04", "red", 664.6, 10),
    ("B05", "rededge1", 704.1, 20), ("B06", "rededge2", 740.5, 20), ("B07", "rededge3", 782.8, 20), ("B08", "nir", 832.8, 10),
    ("B8A", "nir08", 864.7, 20), ("B09", "nir09", 945.1, 60), ("B10", "cirrus", 1373.5, 60),
    ("B11", "swir16", 1613.7, 20), ("B12", "swir22", 2202.4, 20),
)  # fmt: skip
LANDSAT = (
    ("B1", "coastal", 443.0, 30), ("B2", "blue", 482.0, 30), ("B3", "green", 561.4, 30), ("B4", "red", 654.6, 30),
    ("B5", "nir08", 864.7, 30), ("B6", "swir16", 1608.9, 30), ("B7", "swir22", 2200.7, 30), ("B8", "pan", 589.5, 15),
    ("B9", "cirrus", 1373.4, 30), ("B10", "lwir11", 10895.0, 100), ("B11", "lwir12", 12005.0, 100),
)  # fmt: skip
LANDSAT_4_7 = (
    ("B1", "blue", 485.0, 30), ("B2", "green", 560.0, 30), ("B3", "red", 660.0, 30), ("B4", "nir08", 835.0, 30),
    ("B5", "swir16", 1650.0, 30), ("B7", "swir22", 2215.0, 30), ("B6", "lwir11", 11450.0, 120),
)  # fmt: skip
RADAR_NM = 5.55e7  # C band, 5.4 GHz
RGBN = (("red", 660.0), ("green", 560.0), ("blue", 480.0), ("nir", 840.0))


def _bands(table: Iterable[tuple[str, str, float, float]], scale: float, offset: float = 0.0) -> tuple[Band, ...]:
    return tuple(Band(name, common, nm, metres, scale, offset) for name, common, nm, metres in table)


def _coloured(count: int, metres: float) -> tuple[Band, ...]:
    return tuple(Band(name, name, nm, metres, 1 / 255) for name, nm in RGBN[:count])


def _landsat(level: int) -> tuple[Band, ...]:
    """Level 1: top-of-atmosphere reflectance before division by the sine of the sun's elevation, radiance. Level 2: surface, kelvin."""
    reflective = _bands(LANDSAT[:9], 2e-5, -0.1) if level == 1 else _bands(LANDSAT[:7], 2.75e-5, -0.2)
    thermal = _bands(LANDSAT[9:], 3.342e-4, 0.1) if level == 1 else _bands(LANDSAT[9:10], 0.00341802, 149.0)
    return reflective + thermal


SENSORS = {
    sensor.name: sensor
    for sensor in (
        Sensor("sentinel-2-l1c", "reflectance", _bands(S2, 1e-4)),
        Sensor("sentinel-2-l2a", "reflectance", _bands([row for row in S2 if row[0] != "B10"], 1e-4)),
        # "Harmonised" collections have the offset taken out already.
        Sensor(f"sentinel-2-l1c{OFFSET}", "reflectance", _bands(S2, 1e-4, -0.1)),
        Sensor(f"sentinel-2-l2a{OFFSET}", "reflectance", _bands([row for row in S2 if row[0] != "B10"], 1e-4, -0.1)),
        Sensor("landsat-8-9-l1", "reflectance", _landsat(1)),
        Sensor("landsat-8-9-l2", "reflectance", _landsat(2)),
        Sensor("landsat-4-7-l2", "reflectance", _bands(LANDSAT_4_7[:6], 2.75e-5, -0.2) + _bands(LANDSAT_4_7[6:], 0.00341802, 149.0)),
        Sensor("sentinel-1-grd", "dB", tuple(Band(name, name.lower(), RADAR_NM, 10.0, 1.0) for name in ("VV", "VH"))),
        Sensor("naip", "display", _coloured(4, 0.6)),
        Sensor("aerial-rgb", "display", _coloured(3, 0.2)),
        Sensor("aerial-rgbn", "display", _coloured(4, 0.2)),
        Sensor("rgb-rendering", "display", _coloured(3, 10.0)),
    )
}


def find_sensor(name: str) -> Sensor:
    """The sensor called `name`, dashes, underscores and case aside. Raises `ValueError` with the names there are."""
    for key, sensor in SENSORS.items():
        if key == re.sub(r"[\s_]+", "-", name.strip().lower()):
            return sensor
    raise ValueError(f"{name!r} is not known; one of {', '.join(SENSORS)} (or leave it out and give reader.unit)")


def canonical(name: str, sensor: Sensor | None) -> str:
    """The sensor's own name of a band, else a common colour name, else the name as given."""
    if sensor is not None and (band := sensor.band(name)):
        return band.name
    return common(name) or name.strip()


@lru_cache(maxsize=4096)
def common(name: str) -> str | None:
    """The colour that a name stands for without any sensor: `Red` is red; `B4` is red on one satellite and not on another, so None."""
    key = _plain(name)
    return next((colour for colour, names in ALIASES.items() if key in names), None)


def described(channels: Sequence[str], sensor: Sensor | None) -> tuple[Band | None, ...]:
    """What is known of each channel: the sensor's band of that name, else a band with the wavelength of its colour name, else None."""
    return tuple(_described(name, sensor) for name in channels)


def _described(name: str, sensor: Sensor | None) -> Band | None:
    if sensor is not None and (band := sensor.band(name)):
        return band
    colour = common(name)
    return Band(name, colour, COMMON_NM[colour], float("nan"), 1.0) if colour in COMMON_NM else None


def rgb_positions(bands: Sequence[Band | None]) -> tuple[int, int, int] | None:
    """Positions of red, green and blue, by name; None unless all three are there."""
    colours = [band.common if band else "" for band in bands]
    if not {"red", "green", "blue"} <= set(colours):
        return None
    return colours.index("red"), colours.index("green"), colours.index("blue")


def beyond_rgb(names: Sequence[str]) -> tuple[str, ...]:
    """The names, where they are a sensor's own or colours beyond red, green and blue; none where any picture could bear them."""
    others = [name for name in names if common(name) not in ("red", "green", "blue") and name != "gray"]
    bands = [[sensor.band(name) for name in others] for sensor in SENSORS.values()]
    particular = any(map(common, others)) or any(all(matches) for matches in bands if matches)
    return tuple(names) if particular else ()


SAME = 0.05  # of a band's wavelength: two sensors' bands of one name
NEAR = 0.1  # of a band's wavelength: coastal aerosol to blue and red edge to red, but not near infrared to red


def match_channels(
    channels: Sequence[str], bands: Sequence[Band | None], known: Sequence[str], others: Sequence[Band | None], once: bool = False
) -> tuple[int | None, ...]:
    """Of each of `channels` (their `bands`) the position among `known` ones (`others`): by name, else colour, else wavelength.

    `once`: each known band is given to the channel that fits it best alone.
    """
    fits = [_match(band, name, others, known) for band, name in zip(bands, channels, strict=True)]
    if once:
        best: dict[int, tuple[tuple[int, float], int]] = {}  # of each known band how well the best channel fits, and which that is
        for number, fit in enumerate(fits):
            if fit:
                best[fit[0]] = min(best.get(fit[0], (fit[1], number)), (fit[1], number))
        fits = [fit if fit and best[fit[0]][1] == number else None for number, fit in enumerate(fits)]
    return tuple(fit[0] if fit else None for fit in fits)


def sensor_of(names: Sequence[str]) -> Sensor | None:
    """The sensor that calls bands exactly so: B5 is Landsat's near infrared, B05 Sentinel-2's red edge."""
    return next((sensor for sensor in SENSORS.values() if set(names) <= {band.name for band in sensor.bands}), None)


def _match(band: Band | None, name: str, others: Sequence[Band | None], known: Sequence[str]) -> tuple[int, tuple[int, float]] | None:
    """The position of the band that fits best, and how well: 0 by name, 1 by colour, 2 by wavelength, then how far apart they are."""
    apart = [abs(other.nm - band.nm) / band.nm if other and band else math.inf for other in others]
    if name in known:
        at = list(known).index(name)
        if band is None or others[at] is None or apart[at] <= SAME:  # B10 is cirrus on one satellite and heat on another
            return at, (0, 0.0)
    if band is None:
        return None
    colours = [other.common if other else None for other in others]
    if band.common in colours:
        at = colours.index(band.common)
        return at, (1, apart[at])
    nearest = min(range(len(apart)), key=apart.__getitem__, default=None)
    return (nearest, (2, apart[nearest])) if nearest is not None and apart[nearest] <= NEAR else None


def rescaled(sensor: Sensor, scale: float, offset: float) -> Sensor:
    """The same bands with another scale and offset: where the recipe says what the stored numbers are."""
    return replace(sensor, bands=tuple(replace(band, scale=scale, offset=offset) for band in sensor.bands))


def told_by(channel: str) -> Band | None:
    """What a channel says of itself."""
    if not isinstance(channel, Channel) or channel.nm is None:
        return None
    return Band(channel, channel.role, channel.nm, float("nan"), 1.0)
