"""Segmentations that say by themselves which classes they show: DICOM-SEG and those of 3D Slicer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from labelfree.errors import DataError
from labelfree_medical.masks.dicom_seg import SEGMENTATIONS, object_class
from labelfree_medical.masks.joining import SMALLER
from labelfree_medical.masks.mask_files import names_in
from labelfree_medical.masks.named_masks import bare_name
from labelfree_medical.masks.segments import Names, class_numbers
from labelfree_medical.stored import ImageFiles, Listing, Untrusted

SLICER = ".seg.nrrd"
SHOWN = 3  # files that a sentence names


def with_segment_names(listing: Listing) -> Listing:
    """A listing whose classes are the segments of every segmentation in it, for a table may name those that are nobody's mask.

    Where other masks name classes by numbers alone no names are taken. Those that are masks are not among what is no image; one that is
    a mask and cannot be read is a fault. Several of one series are its mask together where each draws segments of its own.
    """
    masks = {file for image in listing.images for file in image.masks}
    others = (file for other in listing.no_images for file in other.files)
    files = [file for file in dict.fromkeys([*sorted(masks), *others]) if _is_segmentation(file)]
    names, broken = dict[Path, Names](), dict[Path, str]()
    for file in files:
        try:
            names[file] = names_in(file) or Names({})
        except DataError as error:
            broken[file] = str(error)
    of_one_class = {file for image in listing.images for file in image.mask_files} - set(files)
    names |= {file: Names({1: bare_name(file)}) for file in of_one_class}
    plain = masks - names.keys() - broken.keys()  # masks whose numbers a segmentation that lies about says nothing of
    again = _drawn_twice(listing.images, names)
    undrawn = {*broken, *(file for files in again for file in files)}
    images = tuple(image.with_masks(()) if undrawn.intersection(image.masks) else image for image in listing.images)
    used = {file for image in images for file in image.masks}
    classes = {**({} if plain else class_numbers(names.values())), **listing.classes}
    drawn = len(used.intersection(files))
    named = f" ({', '.join(classes.values())})" if classes else ""
    several = any(len(used.intersection(image.mask_files, files)) > 1 for image in images)
    note = f"{drawn:,} segmentations are masks of the images they were drawn on{named}{f'; {SMALLER}' if several else ''}."
    return replace(
        listing,
        images=images,
        no_images=tuple(other for other in listing.no_images if not (used | broken.keys() & masks).issuperset(other.files)),
        untrusted=(*listing.untrusted, *(Untrusted((file,), sentence) for file, sentence in broken.items() if file in masks)),
        classes=classes,
        notes=(*listing.notes, *([note] if drawn else []), *map(_which, again.items())),
    )


def _drawn_twice(images: Iterable[ImageFiles], names: Mapping[Path, Names]) -> dict[tuple[Path, ...], str]:
    """The files of one image of which two draw a segment of one name, and that name."""
    again = dict[tuple[Path, ...], str]()
    for image in images:
        drawn = Counter(name for file in image.mask_files if file in names for name in set(names[file].segments.values()))
        if (twice := next((name for name, count in sorted(drawn.items()) if count > 1), None)) is not None:
            again[image.mask_files] = twice
    return again


def _which(files_and_name: tuple[tuple[Path, ...], str]) -> str:
    """What to say of segmentations that cannot all be the mask."""
    files, name = files_and_name
    shown = ", ".join(file.name for file in files[:SHOWN]) + (", …" if len(files) > SHOWN else "")
    return (
        f"{len(files):,} segmentations of one series draw {name!r} more than once ({shown}), so none is its mask: "
        "name the one that counts in a column mask of data.labels."
    )


def _is_segmentation(file: Path) -> bool:
    return file.name.lower().endswith(SLICER) or object_class(file) in SEGMENTATIONS
