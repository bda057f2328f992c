"""Products of one place and date in several files: Sentinel-2 SAFE folders and zips, Landsat and other folders with a file a band."""

from __future__ import annotations

import os
import re
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from labelfree.data.safe_xml import MOST_BYTES, parse_xml
from labelfree.errors import DataError
from labelfree_satellite.footprints import apart, one_scene
from labelfree_satellite.sensors import OFFSET, SENSORS, common

RASTERS = (".jp2", ".tif", ".tiff")
BAND = re.compile(r"(?:^|[_.-])(?:SR_|ST_)?(B\d{1,2}A?)(?:_(\d+)m)?$", re.IGNORECASE)
POLARISATIONS = {"VV", "VH", "HH", "HV"}
MANY_PICTURES = 50  # pictures that are no bands, from which on a folder is one of images
SURE_BANDS = 3  # bands of one name that make a scene beside other pictures
MASK_LAYERS = {"scl": "scl", "qa_pixel": "qa_pixel"}  # ends of names -> how their numbers are read
NEVER = re.compile(  # pictures, maps and angles that come with a product
    r"(?:^|[_.-])(?:TCI|AOT|WVP|PVI|thumbnail|preview|QA_\w+|ST_\w+|SR_QA_\w+|SAA|SZA|VAA|VZA|cld|snw)(?:_\d+m)?$", re.IGNORECASE
)


@dataclass(frozen=True)
class Product:
    """`layers`: band name -> what rasterio opens. `mask`: a layer of clouds, read as `mask_kind` (scl or qa_pixel) says.

    `sensor`: a name of `sensors.SENSORS`, None where nothing says. `date`: YYYY-MM-DD. `tile`: the agency's name of the place.
    """

    path: Path
    layers: dict[str, str]
    mask: str | None = None
    mask_kind: str = ""
    sensor: str | None = None
    date: str | None = None
    tile: str | None = None


def is_product(path: Path) -> bool:
    """Whether a folder or zip archive is a product; broken ones are, so that reading them says what is wrong."""
    try:
        return find_product(path) is not None
    except DataError:
        return True


def find_product(path: Path) -> Product | None:
    """The product that a folder or zip archive is; None where it is none. Raises DataError for a SAFE without bands."""
    if path.suffix.lower() == ".zip":
        return _safe_zip(path)
    if not path.is_dir():
        return None
    if path.name.upper().endswith(".SAFE"):
        files = {file.relative_to(path).as_posix(): file for file in path.rglob("*") if file.is_file()}
        return _safe(path, {name: str(file) for name, file in files.items()}, lambda name: files[name].open("rb"))
    return _band_files(path)


def _safe_zip(path: Path) -> Product | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if ".SAFE/" in name.upper() and not name.endswith("/")]
            if not names:
                return None
            inside = {name[name.upper().index(".SAFE/") + 6 :]: name for name in names}
            opened = {name: f"/vsizip/{path.absolute().as_posix()}/{full}" for name, full in inside.items()}
            return _safe(path, opened, lambda name: archive.open(inside[name]))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:  # RuntimeError: encrypted
        raise DataError(f"{path}: is no zip archive or a broken one ({error}); fetch it again, or remove it.") from error


def _safe(path: Path, files: dict[str, str], opened: Callable[[str], IO[bytes]]) -> Product:
    """Sentinel-2: bands of the finest resolution each, offset and date from the product's metadata."""
    images = {name: source for name, source in files.items() if "/IMG_DATA/" in f"/{name}" and Path(name).suffix.lower() in RASTERS}
    layers: dict[str, tuple[int, str]] = {}
    scl: tuple[int, str] | None = None
    for name, source in images.items():
        stem = Path(name).stem
        metres = int(match[1]) if (match := re.search(r"_(\d+)m$", stem)) else 0
        if re.search(r"_SCL(?:_\d+m)?$", stem, re.IGNORECASE):
            scl = min(filter(None, (scl, (metres, source))))
        elif band := BAND.search(stem):
            key = band[1].upper()
            layers[key] = min(layers.get(key, (metres, source)), (metres, source))
    if not layers and re.match(r"S1[A-D]_", path.name, re.IGNORECASE):
        raise DataError(f"{path}: a Sentinel-1 product is not read as it comes; export VV and VH in dB, terrain corrected, as GeoTIFF.")
    if not layers:
        raise DataError(f"{path}: holds no band (GRANULE/*/IMG_DATA/*_B02.jp2 and the like); unpack it whole, or remove it.")
    metadata = next((name for name in sorted(files) if re.fullmatch(r"MTD_MSIL[12][AC]\.xml", Path(name).name)), None)
    facts = _metadata(path, metadata, opened) if metadata else {}
    level = "l2a" if "L2A" in (metadata or path.name).upper() else "l1c"
    offset = OFFSET if facts.get("offset") else ""
    tile = next((match[1] for name in images if (match := re.search(r"(?:^|[/_])T(\d{2}[A-Z]{3})(?:_|/)", name))), None)
    date = facts.get("date") or date_in(path.name)
    bands = {key: source for key, (_, source) in sorted(layers.items())}
    return Product(path, bands, scl[1] if scl else None, "scl" if scl else "", f"sentinel-2-{level}{offset}", date, tile)


def _metadata(path: Path, name: str, opened: Callable[[str], IO[bytes]]) -> dict[str, str]:
    """Date and additive offset (ESA's product specification: RADIO_ADD_OFFSET, BOA_ADD_OFFSET from processing baseline 04.00)."""
    with opened(name) as file:
        root = parse_xml(file.read(MOST_BYTES + 1), f"{path}/{name}")
    values = {node.tag.rpartition("}")[2]: (node.text or "").strip() for node in root.iter()}
    offsets = {values.get(tag, "") for tag in ("RADIO_ADD_OFFSET", "BOA_ADD_OFFSET")} - {"", "0"}
    facts = {"offset": offsets.pop()} if offsets else {}
    if start := values.get("PRODUCT_START_TIME"):
        facts["date"] = start[:10]
    return facts


def _band_files(path: Path) -> Product | None:
    """A folder with a file a band of one scene: equal names but for the band, one band a file, one footprint.

    Other pictures of that place are left aside. Raises DataError where it holds several scenes side by side, or images of other places.
    """
    by_prefix: dict[str, dict[str, tuple[int, str]]] = defaultdict(dict)
    mask: tuple[str, str] | None = None
    others: list[str] = []
    with os.scandir(path) as entries:
        for file in entries:
            stem, dot, suffix = file.name.rpartition(".")
            if f"{dot}{suffix}".lower() not in RASTERS:
                continue
            kind = next(
                (kind for end, kind in MASK_LAYERS.items() if re.search(rf"(?:^|[_.-]){end}(?:_\d+m)?$", stem, re.IGNORECASE)), None
            )
            if kind:
                mask = max(mask or (file.path, kind), (file.path, kind))
                continue
            if NEVER.search(stem) and not BAND.search(stem):
                continue
            named = _band_name(stem)
            if named is None:
                others.append(file.path)
                if len(others) > MANY_PICTURES and len(others) > len(by_prefix):
                    return None  # a folder of images
                continue
            band, metres, prefix = named
            layers = by_prefix[prefix]
            layers[band] = min(layers.get(band, (metres, file.path)), (metres, file.path))
    scenes = [prefix for prefix, layers in by_prefix.items() if len(layers) > 1]
    alone = not others and len(scenes) == len(by_prefix)
    if len(scenes) > 1 and alone and all(one_scene(_sources(by_prefix[prefix])) for prefix in scenes[:2]):
        raise DataError(f"{path}: holds the bands of {len(scenes)} scenes side by side; put each scene's into a folder of its own.")
    if len(by_prefix) != 1 or not scenes:
        return None
    prefix = scenes[0]
    sources = _sources(by_prefix[prefix])
    if (others and len(sources) < SURE_BANDS) or not one_scene(sources):
        return None
    if elsewhere := apart(sources[0], others):
        raise DataError(
            f"{path}: holds the bands of one scene and {elsewhere} images of other places; put the bands into a folder of their own."
        )
    sensor, tile = _landsat(prefix)
    date = date_in(re.sub(r"^L\w\d\d_", "", prefix)) or date_in(path.name)
    ordered = {band: source for band, (_, source) in sorted(by_prefix[prefix].items(), key=lambda layer: layer[1][1])}
    return Product(path, ordered, mask[0] if mask else None, mask[1] if mask else "", sensor, date, tile)


def _sources(layers: dict[str, tuple[int, str]]) -> list[str]:
    return [source for _, source in layers.values()]


def _band_name(stem: str) -> tuple[str, int, str] | None:
    """The band, colour or polarisation that a file's name ends with, its resolution in metres (0: not said), and what stands before it."""
    if match := BAND.search(stem):
        return match[1].upper(), int(match[2] or 0), stem[: match.start()]
    prefix, _, last = stem.rpartition("_")
    layer = last.upper() if last.upper() in POLARISATIONS else common(last)
    return (layer, 0, prefix) if layer else None


def _landsat(prefix: str) -> tuple[str | None, str | None]:
    """Sensor, and path and row, of a Collection 2 product: LC08_L2SP_193027_20200605_20200824_02_T1."""
    match = re.match(r"L[COTE]0([45789])_L([12])\w\w_(\d{6})_", prefix)
    if not match:
        return None, None
    name = f"landsat-{'8-9' if match[1] in '89' else '4-7'}-l{match[2]}"
    return name if name in SENSORS else None, match[3]


def date_in(text: str) -> str | None:
    """The first date in a name: 20200605 or 2020-06-05."""
    match = re.search(r"(?<!\d)((?:19|20)\d\d)-?(0[1-9]|1[0-2])-?(0[1-9]|[12]\d|3[01])(?!\d)", text)
    return "-".join(match.groups()) if match else None
