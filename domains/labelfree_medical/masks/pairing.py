"""DICOM segmentations beside the series that they were drawn on: no table need name them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from labelfree.errors import DataError
from labelfree_medical.masks.dicom_seg import SEGMENTATIONS, object_class, referenced_series
from labelfree_medical.masks.mask_files import names_in
from labelfree_medical.masks.segments import Names, class_numbers
from labelfree_medical.stored import Listing, Untrusted


def with_segmentations(listing: Listing) -> Listing:
    """A listing whose images have the one segmentation of their series as mask; the file is then no longer among what is no image.

    Their segments name the classes; one that cannot be read is a fault. Of several on one series none is taken, and a note says so: only a
    person knows which.
    """
    drawn = defaultdict[str, list[Path]](list)
    for other in listing.no_images:
        for file in other.files:
            if object_class(file) in SEGMENTATIONS and (series := referenced_series(file)):
                drawn[series].append(file)
    known = {image.series for image in listing.images if image.mask is None}
    taken = {series: files[0] for series, files in drawn.items() if series in known and len(files) == 1}
    names, broken = dict[Path, Names](), list[Untrusted]()
    for file in taken.values():
        try:
            names[file] = names_in(file) or Names({})
        except DataError as error:
            broken.append(Untrusted((file,), str(error)))
    masks = {series: file for series, file in taken.items() if file in names}
    settled = set(taken.values())
    notes = [f"{_many(len(masks))} of the series drawn on."] if masks else []
    if several := sum(len(files) > 1 and series in known for series, files in drawn.items()):
        notes.append(f"{several:,} series have several DICOM segmentations: name one of each in the column mask of a table.")
    return replace(
        listing,
        images=tuple(replace(image, mask=image.mask or masks.get(image.series)) for image in listing.images),
        no_images=tuple(other for other in listing.no_images if not settled.issuperset(other.files)),
        untrusted=(*listing.untrusted, *broken),
        classes={**class_numbers(names.values()), **listing.classes},
        notes=(*listing.notes, *notes),
    )


def _many(count: int) -> str:
    return f"{count:,} DICOM segmentations are the masks" if count > 1 else "1 DICOM segmentation is the mask"
