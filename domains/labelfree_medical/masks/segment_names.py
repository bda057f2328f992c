"""Segmentations that say by themselves which classes they show: DICOM-SEG and those of 3D Slicer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from labelfree.errors import DataError
from labelfree_medical.masks.dicom_seg import SEGMENTATIONS, object_class
from labelfree_medical.masks.mask_files import names_in
from labelfree_medical.masks.segments import Names, class_numbers
from labelfree_medical.stored import Listing, Untrusted

SLICER = ".seg.nrrd"


def with_segment_names(listing: Listing) -> Listing:
    """A listing whose classes are the segments of every segmentation in it, for a table may name those that are nobody's mask.

    Where other masks name classes by numbers alone no names are taken. Those that are masks are not among what is no image; one that is
    a mask and cannot be read is a fault.
    """
    masks = {image.mask for image in listing.images if image.mask is not None}
    others = (file for other in listing.no_images for file in other.files)
    files = [file for file in dict.fromkeys([*sorted(masks), *others]) if _is_segmentation(file)]
    names, broken = dict[Path, Names](), dict[Path, str]()
    for file in files:
        try:
            names[file] = names_in(file) or Names({})
        except DataError as error:
            broken[file] = str(error)
    plain = masks - set(files)  # masks whose numbers a segmentation that lies about says nothing of
    classes = {**({} if plain else class_numbers(names.values())), **listing.classes}
    drawn = len(masks.intersection(names))
    named = f" ({', '.join(classes.values())})" if classes else ""
    note = f"{drawn:,} segmentations are masks of the images they were drawn on{named}."
    return replace(
        listing,
        images=tuple(replace(image, mask=None) if image.mask in broken else image for image in listing.images),
        no_images=tuple(other for other in listing.no_images if not masks.issuperset(other.files)),
        untrusted=(*listing.untrusted, *(Untrusted((file,), sentence) for file, sentence in broken.items() if file in masks)),
        classes=classes,
        notes=(*listing.notes, note) if drawn else listing.notes,
    )


def _is_segmentation(file: Path) -> bool:
    return file.name.lower().endswith(SLICER) or object_class(file) in SEGMENTATIONS
