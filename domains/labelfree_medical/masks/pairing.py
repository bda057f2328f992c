"""Segmentations beside what they were drawn on, which say so themselves: no table need name them.

A DICOM segmentation refers to its series; 3D Slicer saves `a.seg.nrrd` beside `a.nrrd`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from labelfree.errors import DataError
from labelfree_medical.files import endings
from labelfree_medical.masks.dicom_seg import SEGMENTATIONS, object_class, referenced_series
from labelfree_medical.masks.mask_files import names_in
from labelfree_medical.masks.segments import Names, class_numbers
from labelfree_medical.stored import ImageFiles, Listing, Untrusted

SLICER = ".seg.nrrd"


def with_segmentations(listing: Listing) -> Listing:
    """A listing whose images have the one segmentation drawn on them as mask; the file is then no longer among what is no image.

    Of several on one image none is taken, and a note says so: only a person knows which. Segments of all of them name the classes, for a
    table may name the others. One that cannot be read is a fault where it would be a mask.
    """
    drawn, alone = _drawn_on(listing)
    single = {place: files[0] for place, files in drawn.items() if len(files) == 1}
    names, broken = dict[Path, Names](), dict[Path, str]()
    for file in [*alone, *(file for files in drawn.values() for file in files)]:
        try:
            names[file] = names_in(file) or Names({})
        except DataError as error:
            broken[file] = str(error)
    masks = {place: file for place, file in single.items() if file in names}
    settled = set(single.values())
    notes = [f"{_many(len(masks))} of the image drawn on."] if masks else []
    if several := len(drawn) - len(single):
        notes.append(f"{several:,} images have several segmentations: name one of each in the column mask of a table.")
    return replace(
        listing,
        images=tuple(replace(image, mask=masks.get(place, image.mask)) for place, image in enumerate(listing.images)),
        no_images=tuple(other for other in listing.no_images if not settled.issuperset(other.files)),
        untrusted=(*listing.untrusted, *(Untrusted((file,), broken[file]) for file in single.values() if file in broken)),
        classes={**class_numbers(names.values()), **listing.classes},
        notes=(*listing.notes, *notes),
    )


def _drawn_on(listing: Listing) -> tuple[dict[int, list[Path]], list[Path]]:
    """The segmentations of each image without a mask, by its place in the listing, and those of none."""
    by_series, by_name = defaultdict[str, list[int]](list), defaultdict[Path, list[int]](list)
    for place, image in enumerate(listing.images):
        if image.mask is None:
            by_series[image.series].append(place)
            by_name[_bare(image)].append(place)
    drawn, alone = defaultdict[int, list[Path]](list), list[Path]()
    for file in _segmentations(listing):
        if file.name.lower().endswith(SLICER):
            mine = by_name.get(file.with_name(file.name[: -len(SLICER)]), [])
        else:
            series = referenced_series(file)
            mine = by_series.get(series, []) if series else []
        for place in mine:
            drawn[place].append(file)
        alone += [] if mine else [file]
    return drawn, alone


def _segmentations(listing: Listing) -> Iterator[Path]:
    for other in listing.no_images:
        for file in other.files:
            if file.name.lower().endswith(SLICER) or object_class(file) in SEGMENTATIONS:
                yield file


def _bare(image: ImageFiles) -> Path:
    """An image's path without its ending, be it `.nrrd` or `.nii.gz`."""
    name = image.path.name
    ending = max((each for each in endings if name.lower().endswith(each)), key=len, default="")
    return image.path.with_name(name[: len(name) - len(ending)])


def _many(count: int) -> str:
    return f"{count:,} segmentations are the masks" if count > 1 else "1 segmentation is the mask"
