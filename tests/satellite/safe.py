"""Tiny products as agencies lay them out: Sentinel-2 SAFE folders and Landsat Collection 2 folders."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin

METRES = {"B01": 60, "B02": 10, "B03": 10, "B04": 10, "B05": 20, "B08": 10, "B8A": 20, "B11": 20}
SIDE = 1200  # metres
NAME = "S2A_MSI{level}_20220605T103031_N0400_R108_T32UQD_20220605T141414.SAFE"
LANDSAT = "LC09_L2SP_193027_20220605_20230412_02_T1"


def layer(path: Path, metres: int, value: np.ndarray | int, dtype: str = "uint16", driver: str = "JP2OpenJPEG") -> Path:
    """A square raster of SIDE metres in UTM 32N."""
    side = SIDE // metres
    path.parent.mkdir(parents=True, exist_ok=True)
    data = np.broadcast_to(np.asarray(value, dtype=dtype), (side, side))
    options = {"quality": 100, "reversible": True} if driver == "JP2OpenJPEG" else {}
    where = {"crs": "EPSG:32632", "transform": from_origin(600_000, 5_400_000, metres, metres)}
    with rasterio.open(path, "w", driver=driver, count=1, height=side, width=side, dtype=dtype, **where, **options) as file:
        file.write(data, 1)
    return path


def safe(parent: Path, level: str = "L2A", offset: bool = True) -> Path:
    """A SAFE folder whose band number k (B8A: 9) holds 1000 + 100 k; SCL is cloud in its upper left quarter, vegetation elsewhere."""
    root = parent / NAME.format(level=level)
    images = root / "GRANULE" / "L2A_T32UQD_A036309_20220605T103025" / "IMG_DATA"
    stem = "T32UQD_20220605T103031_"
    for number, (band, metres) in enumerate(METRES.items()):
        fine = (metres,) if level == "L1C" else tuple(m for m in (10, 20, 60) if m >= metres)
        for m in fine:
            name = f"{stem}{band}.jp2" if level == "L1C" else f"R{m}m/{stem}{band}_{m}m.jp2"
            layer(images / name, m, 1000 + 100 * number)
    if level == "L2A":
        scl = np.full((60, 60), 4)
        scl[:30, :30] = 9
        layer(images / "R20m" / f"{stem}SCL_20m.jp2", 20, scl, "uint8")
        for name in ("TCI", "AOT", "WVP"):
            layer(images / "R10m" / f"{stem}{name}_10m.jp2", 10, 7)
    tag = "BOA_ADD_OFFSET" if level == "L2A" else "RADIO_ADD_OFFSET"
    offsets = f"<{tag} band_id='0'>-1000</{tag}>" if offset else ""
    metadata = f"<n1:P xmlns:n1='x'><PRODUCT_START_TIME>2022-06-05T10:30:31.024Z</PRODUCT_START_TIME>{offsets}</n1:P>"
    (root / f"MTD_MSI{level}.xml").write_text(metadata)
    return root


def zipped(folder: Path) -> Path:
    """The folder as an archive beside it, as the agency's download has it."""
    archive = folder.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(folder.rglob("*")):
            file.write(path, path.relative_to(folder.parent).as_posix())
    return archive


def landsat(parent: Path) -> Path:
    """A Level-2 folder: bands at 30 m, clouds in QA_PIXEL's lower right quarter, and files that are no bands."""
    root = parent / LANDSAT
    for band in ("B2", "B3", "B4", "B5"):
        layer(root / f"{LANDSAT}_SR_{band}.TIF", 30, 10_000, driver="GTiff")
    layer(root / f"{LANDSAT}_ST_B10.TIF", 30, 40_000, driver="GTiff")
    quality = np.full((40, 40), 21824)  # clear land
    quality[20:, 20:] = 22280  # cloud of high confidence
    layer(root / f"{LANDSAT}_QA_PIXEL.TIF", 30, quality, driver="GTiff")
    layer(root / f"{LANDSAT}_SR_QA_AEROSOL.TIF", 30, 1, "uint8", driver="GTiff")
    return root
