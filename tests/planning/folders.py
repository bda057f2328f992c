"""Small folders of images as people have them, written for the tests."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rasterio.transform import from_origin

import labelfree
from labelfree.planning.proposal import Proposal
from labelfree.progress import Silent
from labelfree.recipe_file import load_recipe
from tests.satellite.files import write_tif


def planned(folder: Path, domain: str | None = None, labels: Path | None = None, overrides: Sequence[str] = ()) -> Proposal:
    """What `labelfree plan` proposes; the text must read back, from a file, to the recipe."""
    proposal = labelfree.plan(folder, domain, labels, overrides=list(overrides), say=Silent())
    file = proposal.write(folder.parent / f"{len(list(folder.parent.iterdir()))}.yaml")
    assert load_recipe(file).model_copy(update={"name": None}) == proposal.recipe
    return proposal


def told(proposal: Proposal) -> str:
    """What was found, as one text."""
    return "\n".join(proposal.lines())


def rasters(folder: Path, files: Sequence[str], bands: int = 4, placed: bool = True, apart: int = 2000, **how: Any) -> None:
    """GeoTIFFs of 12-bit noise, 16 x 16 pixels of 10 m, `apart` metres from each other, or without coordinates; `names` of their bands."""
    for number, file in enumerate(files):
        draw = np.random.default_rng(number)
        where = {"crs": "EPSG:32632", "transform": from_origin(500_000 + apart * number, 5_300_000, 10, 10)} if placed else {}
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        write_tif(folder / file, draw.integers(0, 4096, (bands, 16, 16)).astype("uint16"), placed=False, **where, **how)


def pictures(folder: Path, files: Sequence[str], side: int = 16, gray: bool = False) -> None:
    """PNGs or JPEGs of noise."""
    for number, file in enumerate(files):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shape = (side, side) if gray else (side, side, 3)
        Image.fromarray(np.random.default_rng(number).integers(0, 256, shape, dtype=np.uint8)).save(folder / file)


def table(file: Path, header: str, rows: Sequence[Sequence[object]]) -> Path:
    """A CSV."""
    with file.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([header.split(","), *rows])
    return file


def voc(file: Path, *objects: tuple[str, int, int, int, int]) -> Path:
    """A VOC annotation, corners out of order as some tools write them."""
    file.parent.mkdir(parents=True, exist_ok=True)
    inside = "".join(
        f"<object><name>{name}</name><bndbox><ymin>{y0}</ymin><xmin>{x0}</xmin><ymax>{y1}</ymax><xmax>{x1}</xmax></bndbox></object>"
        for name, x0, y0, x1, y1 in objects
    )
    file.write_text(f"<annotation>{inside}</annotation>", encoding="utf-8")
    return file
