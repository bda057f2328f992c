"""One image that a head is asked about, opened to be read in slices, and where on it anything is asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from labelfree.deploy.input_images import InputImages
from labelfree.deploy.tile_heads import Slices, Wanted, slices
from labelfree.domain import Row, WritesMaps
from labelfree.errors import DataError


@dataclass(frozen=True)
class AskedImage:
    """`slices`: of the image. `wanted`: where anything is asked of these, None: everywhere."""

    slices: Slices
    wanted: Wanted | None


def open_image(images: InputImages, row: Row, region: Path | None) -> AskedImage | str:
    """The image of a row; or why it cannot be read, where such images are left out.

    `region`: a file of shapes outside of which nothing is asked. Raises DataError for an image that cannot be read and may not be left
    out, and where the domain finds no shapes on its images.
    """
    domain = images.domain
    if region is not None and not isinstance(domain, WritesMaps):
        raise DataError(f"{domain.name}: this domain finds no shapes on its images; leave --region out.")
    try:
        image = slices(domain, row)
    except DataError as fault:
        if images.lenient:
            return str(fault)
        raise
    wanted = domain.region(region, image.first, image.size) if region is not None and isinstance(domain, WritesMaps) else None
    return AskedImage(image, wanted)
