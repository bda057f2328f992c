"""A file a class: `ct.nii.gz` beside `segmentations/liver.nii.gz`, `spleen.nii.gz`, …, as TotalSegmentator writes them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from labelfree_medical.masks.joining import SMALLER
from labelfree_medical.masks.named_masks import LONE
from labelfree_medical.stored import ImageFiles, Listing


def with_class_files(listing: Listing) -> Listing:
    """A listing in which the only volume beside a folder of masks that are of no image by their names has all of them as its mask.

    Where no such folder holds more than one file nothing says that they are a class each.
    """
    inside = defaultdict[Path, list[Path]](list)
    for other in listing.no_images:
        if other.reason == LONE:
            inside[other.files[0].parent].append(other.files[0])
    beside = _volumes_beside(listing.images)
    single = {folder: beside[folder.parent][0] for folder in inside if len(beside[folder.parent]) == 1}
    drawn = {id(image): tuple(sorted(inside[folder])) for folder, image in single.items() if image.mask is None}
    if not any(len(files) > 1 for files in drawn.values()):
        return listing
    taken = {file for files in drawn.values() for file in files}
    some = next(files for files in drawn.values() if len(files) > 1)
    shown = ", ".join(file.name for file in some[:2])
    volumes, them = ("1 volume has", "it") if len(drawn) == 1 else (f"{len(drawn):,} volumes have", "them")
    note = f"{volumes} a file for each class beside {them} ({shown}, …): joined as one mask; {SMALLER}."
    return replace(
        listing,
        images=tuple(image.with_masks(drawn.get(id(image), image.masks), named=id(image) in drawn) for image in listing.images),
        no_images=tuple(other for other in listing.no_images if not taken.issuperset(other.files)),
        notes=(*listing.notes, note),
    )


def _volumes_beside(images: tuple[ImageFiles, ...]) -> defaultdict[Path, list[ImageFiles]]:
    """The volumes of each folder; a series of DICOM is of the one above its own, too."""
    beside = defaultdict[Path, list[ImageFiles]](list)
    for image in images:
        if image.kind == "volume":
            for folder in (image.path.parent, *([image.path.parent.parent] if image.series else [])):
                beside[folder].append(image)
    return beside
