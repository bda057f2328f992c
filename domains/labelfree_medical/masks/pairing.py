"""Segmentations that say by themselves what they were drawn on, so that no table need name them.

A DICOM segmentation refers to its series (`dicom.list_dicom` pairs them); 3D Slicer saves `a.seg.nrrd` beside `a.nrrd`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from labelfree.errors import DataError
from labelfree_medical.files import endings
from labelfree_medical.masks.dicom_seg import SEGMENTATIONS, object_class
from labelfree_medical.masks.mask_files import names_in
from labelfree_medical.masks.segments import Names, class_numbers
from labelfree_medical.stored import ImageFiles, Listing, Untrusted

SLICER = ".seg.nrrd"


def with_segmentations(listing: Listing) -> Listing:
    """A listing whose images have the segmentation saved under their name as mask, and whose masks are not among what is no image.

    The segments of every segmentation name the classes, for a table may name those that are nobody's. One that is a mask and cannot be
    read is a fault.
    """
    files = [file for other in listing.no_images for file in other.files if _is_segmentation(file)]
    by_name = {file.with_name(file.name[: -len(SLICER)]): file for file in files if file.name.lower().endswith(SLICER)}
    images = [replace(image, mask=image.mask or by_name.get(_bare(image))) for image in listing.images]
    names, broken = dict[Path, Names](), dict[Path, str]()
    for file in files:
        try:
            names[file] = names_in(file) or Names({})
        except DataError as error:
            broken[file] = str(error)
    masks = {image.mask for image in images if image.mask in files}
    classes = {**class_numbers(names.values()), **listing.classes}
    note = f"{len(masks):,} segmentations were paired with the images they were drawn on ({', '.join(classes.values())})."
    return replace(
        listing,
        images=tuple(replace(image, mask=None) if image.mask in broken else image for image in images),
        no_images=tuple(other for other in listing.no_images if not masks.issuperset(other.files)),
        untrusted=(*listing.untrusted, *(Untrusted((file,), sentence) for file, sentence in broken.items() if file in masks)),
        classes=classes,
        notes=(*listing.notes, note) if masks else listing.notes,
    )


def _is_segmentation(file: Path) -> bool:
    return file.name.lower().endswith(SLICER) or object_class(file) in SEGMENTATIONS


def _bare(image: ImageFiles) -> Path:
    """An image's path without its ending, be it `.nrrd` or `.nii.gz`."""
    name = image.path.name
    ending = max((each for each in endings if name.lower().endswith(each)), key=len, default="")
    return image.path.with_name(name[: len(name) - len(ending)])
