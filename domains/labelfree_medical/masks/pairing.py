"""DICOM segmentations beside the series that they were drawn on: no table need name them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from labelfree_medical.masks.dicom_seg import SEGMENTATIONS, object_class, referenced_series
from labelfree_medical.stored import ImageFiles, Listing


def with_segmentations(listing: Listing) -> Listing:
    """A listing whose images have the one segmentation of their series as mask; the file is then no longer among what is no image.

    Of several on one series none is taken, and a note says so: only a person knows which.
    """
    drawn = defaultdict[str, list[Path]](list)
    for other in listing.no_images:
        for file in other.files:
            if object_class(file) in SEGMENTATIONS and (series := referenced_series(file)):
                drawn[series].append(file)
    images = tuple(_with_mask(image, drawn.get(image.series, [])) for image in listing.images)
    masks = {image.mask for image in images}
    no_images = tuple(other for other in listing.no_images if not masks.issuperset(other.files))
    several = sum(len(files) > 1 for files in drawn.values())
    taken = len(masks - {image.mask for image in listing.images})
    notes = [f"{taken:,} DICOM segmentations are the masks of the series they were drawn on."] if taken else []
    notes += [f"{several:,} series have several segmentations: name one of each in the column mask of a table."] if several else []
    return replace(listing, images=images, no_images=no_images, notes=(*listing.notes, *notes))


def _with_mask(image: ImageFiles, drawn: list[Path]) -> ImageFiles:
    return replace(image, mask=drawn[0]) if image.mask is None and image.series and len(drawn) == 1 else image
