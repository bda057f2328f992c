"""A GENERATED sample data set: looks like 13-band Sentinel-2 patches, is drawn from a random generator, proves nothing about the Earth.

Eight land covers are mixed from a few plausible spectra, laid out with a texture of their own, and seen in some
season through some haze. Cropland, grassland and orchard, or town and industry, share their spectra: telling them apart
takes structure. Scenes (`group`) share season, haze, sun and place, and never straddle splits.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.random import Generator

from labelfree.data.questions import write_questions
from labelfree.data.table_cells import CAPTIONS
from labelfree_satellite.generated_captions import captions, questions

SIDE = 64
BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B09", "B10", "B11", "B12", "B8A")  # B8A last, as in EuroSAT's files
NM = np.array([443, 492, 560, 665, 704, 740, 783, 833, 945, 1374, 1614, 2202, 865])
SPLITS = {"pretrain": 50, "train": 20, "dev": 10, "test": 15}  # scenes
PATCHES = 12  # a scene
MATERIALS = ("water", "leaf", "green", "dry", "soil", "asphalt", "roof", "tile")
SPECTRA = np.array(  # surface reflectance of each material in BANDS
    [
        [0.060, 0.055, 0.050, 0.035, 0.028, 0.022, 0.020, 0.018, 0.010, 0.001, 0.010, 0.008, 0.018],
        [0.020, 0.025, 0.045, 0.028, 0.060, 0.180, 0.220, 0.240, 0.090, 0.001, 0.110, 0.050, 0.250],
        [0.030, 0.040, 0.070, 0.050, 0.100, 0.240, 0.290, 0.310, 0.110, 0.001, 0.190, 0.105, 0.330],
        [0.050, 0.070, 0.105, 0.125, 0.160, 0.210, 0.235, 0.250, 0.100, 0.001, 0.290, 0.210, 0.270],
        [0.065, 0.085, 0.115, 0.150, 0.170, 0.190, 0.205, 0.220, 0.090, 0.002, 0.300, 0.250, 0.240],
        [0.085, 0.095, 0.105, 0.115, 0.120, 0.128, 0.135, 0.140, 0.060, 0.002, 0.170, 0.150, 0.145],
        [0.150, 0.175, 0.200, 0.225, 0.235, 0.245, 0.255, 0.270, 0.110, 0.003, 0.280, 0.240, 0.275],
        [0.070, 0.085, 0.115, 0.175, 0.195, 0.210, 0.225, 0.240, 0.100, 0.002, 0.270, 0.215, 0.250],
    ]
)
Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels


def noise(rng: Generator, roughness: float) -> np.ndarray:
    """(SIDE, SIDE) random field, mean 0 and standard deviation 1; power falls with frequency^-roughness."""
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE))
    frequency[0, 0] = np.inf
    field = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((SIDE, SIDE))) * frequency ** (-roughness / 2), s=(SIDE, SIDE))
    return np.asarray((field - field.mean()) / field.std())


def axes(rng: Generator) -> tuple[np.ndarray, np.ndarray]:
    """Pixel coordinates along and across a random direction, from a random origin."""
    angle, (y, x) = rng.uniform(0, np.pi), np.mgrid[:SIDE, :SIDE] + rng.uniform(0, 500, (2, 1, 1))
    return x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)


def mix(**shares: np.ndarray | float) -> np.ndarray:
    """(materials, SIDE, SIDE) abundances that sum to 1 in each pixel."""
    abundance = np.zeros((len(MATERIALS), SIDE, SIDE))
    for material, share in shares.items():
        abundance[MATERIALS.index(material)] += np.clip(share, 0, None)
    return abundance / abundance.sum(0).clip(1e-6)


def water(rng: Generator, green: float) -> np.ndarray:
    bloom = 0.05 * rng.random() * (1 + 0.4 * noise(rng, 3))
    return mix(water=1.0, green=bloom, soil=0.1 * rng.random() ** 2 * (1 + 0.3 * noise(rng, 2.5)))


def forest(rng: Generator, green: float) -> np.ndarray:
    crowns, evergreen = 0.25 * noise(rng, 0.8), rng.random()
    leaves = evergreen + (1 - evergreen) * green
    return mix(leaf=(0.35 + 0.6 * leaves) * (0.85 + crowns), dry=0.25 * (1 - leaves), green=0.1, asphalt=0.15 - 0.15 * crowns)


def cropland(rng: Generator, green: float) -> np.ndarray:
    along, across = axes(rng)
    width, length = rng.uniform(10, 26, 2)
    field = (along // length * 57 + across // width * 113).astype(int) % 97
    grown = np.clip(green * 0.9 + rng.normal(0, 0.45, 97), 0, 1)[field]
    rows = 0.08 * np.sin(2 * np.pi * across / rng.uniform(2.5, 4))
    return mix(green=grown + rows, soil=0.55 * (1 - grown) - rows, dry=0.45 * (1 - grown) + 0.05)


def grassland(rng: Generator, green: float) -> np.ndarray:
    lush = np.clip(0.15 + 0.75 * green + 0.2 * noise(rng, 2.4), 0, 1)
    return mix(green=lush, dry=0.75 * (1 - lush), soil=0.25 * (1 - lush), leaf=0.8 * (noise(rng, 1.5) > 2.2))


def orchard(rng: Generator, green: float) -> np.ndarray:
    along, across = axes(rng)
    step = rng.uniform(4, 7.5)
    trees = np.clip(np.cos(2 * np.pi * along / step) + np.cos(2 * np.pi * across / step) - 0.3, 0, 1) * (0.4 + 0.6 * green)
    floor = np.clip(0.2 + 0.6 * green + 0.15 * noise(rng, 2), 0, 1) * (1 - trees)
    return mix(leaf=0.6 * trees, green=0.3 * trees + floor, soil=0.5 * (1 - trees) * (1 - floor), dry=0.5 * (1 - trees) * (1 - floor))


def built(rng: Generator, green: float, block: tuple[float, float], open_share: float, roofs: tuple[float, float]) -> np.ndarray:
    """Streets on a rotated grid, buildings of random roofs, yards of grass or asphalt between them."""
    along, across = axes(rng)
    pitch, street, roof_share = rng.uniform(*block), rng.uniform(1.5, 2.5), rng.uniform(0.45, 0.75)
    cell = (along // pitch * 31 + across // pitch * 89).astype(int) % 101
    within = np.stack([along % pitch, across % pitch]) - street
    road = (within < 0).any(0)
    house = (within > 0).all(0) & (within < (pitch - street) * roof_share).all(0) & (rng.random(101) > 0.15)[cell]
    tiled = (rng.random(101) < roofs[0])[cell]
    yard = ~road & ~house
    lawn = yard * (rng.random(101) < open_share)[cell]
    return mix(
        asphalt=0.9 * road + 0.6 * (yard & ~lawn) + 0.05,
        tile=house * tiled,
        roof=house * ~tiled * roofs[1],
        green=lawn * (0.3 + 0.5 * green),
        dry=lawn * (0.5 - 0.4 * green),
        soil=0.3 * (yard & ~lawn),
        leaf=0.4 * lawn * (noise(rng, 1) > 0.8),
    )


def town(rng: Generator, green: float) -> np.ndarray:
    return built(rng, green, block=(7, 11), open_share=0.7, roofs=(0.6, 0.8))


def industry(rng: Generator, green: float) -> np.ndarray:
    return built(rng, green, block=(17, 28), open_share=0.35, roofs=(0.3, 1.0))


def river(rng: Generator, green: float) -> np.ndarray:
    along, across = axes(rng)
    bend = rng.uniform(3, 9) * np.sin(along / rng.uniform(8, 16)) + 2 * noise(rng, 3)
    middle = np.median(across) + rng.uniform(-12, 12)
    wet = 1 / (1 + np.exp(np.abs(across - middle + bend) - rng.uniform(2.5, 7)))
    banks = (grassland, cropland, forest)[rng.integers(3)](rng, green)
    return mix(water=1.0) * wet + banks * (1 - wet)


COVERS: dict[str, Callable[[Generator, float], np.ndarray]] = {
    cover.__name__: cover for cover in (water, forest, cropland, grassland, orchard, town, industry, river)
}


def patch(rng: Generator, cover: int, season: float, haze: float, sun: float) -> tuple[np.ndarray, np.ndarray, list[Box]]:
    """Reflectance (13, SIDE, SIDE), the cover of each pixel (SIDE, SIDE) from 1, and the boxes of single halls put in."""
    names, green = list(COVERS), float(np.clip(season + rng.normal(0, 0.15), 0, 1))
    other = int(rng.integers(len(names)))
    ground = noise(rng, 3)
    dominant = ground > np.quantile(ground, rng.uniform(0, 0.35))  # up to a third of a patch shows something else
    abundance = np.where(dominant, COVERS[names[cover]](rng, green), COVERS[names[other]](rng, green))
    halls: list[Box] = []
    for _ in range(rng.integers(0, 4) if names[cover] != "water" else 0):
        width, height = rng.integers(5, 12, 2)
        left, top = rng.integers(0, SIDE - width), rng.integers(0, SIDE - height)
        abundance[:, top : top + height, left : left + width] = mix(roof=1.0)[:, :1, :1]
        halls.append((int(left), int(top), int(left + width), int(top + height)))
    relief = 1 + 0.06 * noise(rng, 2) + 0.03 * rng.standard_normal((SIDE, SIDE))
    surface = np.einsum("mb,myx->byx", SPECTRA * rng.normal(1, 0.08, SPECTRA.shape[:1])[:, None], abundance) * relief
    air = (haze * np.clip(1 + 0.3 * noise(rng, 3.5), 0, None)) * ((NM / 443.0) ** -4)[:, None, None]
    return surface * sun + air + rng.normal(0, 0.002, surface.shape), np.where(dominant, cover, other).astype(np.uint8) + 1, halls


def generate(directory: Path, seed: int = 0, variant: str = "") -> None:
    """Write images, masks, boxes (VOC), `splits.csv` with captions and `questions.csv`. `variant`: "" 13-band GeoTIFF, "rgb" 8-bit PNG."""
    for folder in ("images", "masks", "boxes"):
        (directory / folder).mkdir(parents=True, exist_ok=True)
    rows, asked = [], []
    scenes = [split for split, count in SPLITS.items() for _ in range(count)]
    for scene, split in enumerate(scenes):
        weather = np.random.default_rng([seed, scene])
        season, haze, sun = weather.beta(0.8, 0.8), weather.uniform(0, 0.08), weather.uniform(0.75, 1.2)
        for number in range(PATCHES):
            rng, said = np.random.default_rng([seed, scene, number]), np.random.default_rng([seed, scene, number, 1])
            cover = (scene * PATCHES + number) % len(COVERS)
            reflectance, mask, halls = patch(rng, cover, float(season), float(haze), float(sun))
            name = f"scene{scene:03d}_{number:02d}"
            image = _write_image(directory / "images" / name, reflectance, scene, number, variant)
            rows.append(
                (
                    f"images/{image}",
                    list(COVERS)[cover],
                    *_write_annotations(directory, name, image, mask, halls),
                    CAPTIONS.join(captions(list(COVERS), mask, len(halls), float(season), float(haze), said)),
                    f"scene{scene:03d}",
                    split,
                )
            )
            answered = questions(list(COVERS), mask, len(halls), float(season), np.random.default_rng([seed, scene, number, 2]))
            asked.append((rows[-1][0], answered))
    with (directory / "splits.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("path", "label", "mask", "boxes", "text", "group", "split"), *rows])
    write_questions(directory, asked)


def _write_image(path: Path, reflectance: np.ndarray, scene: int, number: int, variant: str) -> str:
    """A GeoTIFF of reflectance × 10000 at a place of its own, or an 8-bit picture with 0.3 shown as white; returns the file's name."""
    if variant == "rgb":
        from PIL import Image

        picture = (np.clip(reflectance[[3, 2, 1]].transpose(1, 2, 0) / 0.3, 0, 1) * 255).round().astype(np.uint8)
        Image.fromarray(picture).save(path.with_suffix(".png"))
        return path.with_suffix(".png").name
    import rasterio
    from rasterio.transform import from_origin

    corner = (300_000 + 8_000 * (scene // 6) + 1_280 * (number % 4), 5_200_000 + 9_000 * (scene // 6) - 1_280 * (number // 4))
    profile = {"driver": "GTiff", "width": SIDE, "height": SIDE, "count": len(BANDS), "dtype": "uint16", "interleave": "band"}
    where = {"crs": f"EPSG:{32631 + scene % 6}", "transform": from_origin(*corner, 10, 10)}
    with rasterio.open(path.with_suffix(".tif"), "w", **profile, **where, compress="deflate", predictor=2, zlevel=1) as file:
        file.write((reflectance * 10_000).round().clip(1, 65_535).astype(np.uint16))
        file.descriptions = BANDS
        file.update_tags(generated="by labelfree_satellite, not an observation")
    return path.with_suffix(".tif").name


def _write_annotations(directory: Path, name: str, image: str, mask: np.ndarray, halls: list[Box]) -> tuple[str, str]:
    """The mask as PNG and the halls as VOC boxes; returns both paths."""
    from PIL import Image

    Image.fromarray(mask).save(directory / "masks" / f"{name}.png")
    corners = [dict(zip(("xmin", "ymin", "xmax", "ymax"), hall, strict=True)) for hall in halls]
    boxes = ["".join(f"<{key}>{value}</{key}>" for key, value in corner.items()) for corner in corners]
    objects = "".join(f"<object><name>hall</name><bndbox>{box}</bndbox></object>" for box in boxes)
    size = f"<size><width>{SIDE}</width><height>{SIDE}</height></size>"
    voc = f"<annotation><filename>{image}</filename>{size}{objects}</annotation>\n"
    (directory / "boxes" / f"{name}.xml").write_text(voc, encoding="utf-8")
    return f"masks/{name}.png", f"boxes/{name}.xml"
