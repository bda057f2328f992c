"""Files of masks: what each holds as whole numbers on its own grid, and what classes it names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from labelfree.errors import DataError
from labelfree_medical.masks.grids import Grid
from labelfree_medical.masks.named_masks import bare_name

if TYPE_CHECKING:
    from labelfree.domain import Sample
    from labelfree_medical.masks.placing import NumberedVoxels
    from labelfree_medical.masks.segments import Names, Segments
    from labelfree_medical.stored import Stored

STACKS = (".tif", ".tiff")  # pictures that may hold the slices of a volume


def names_in(path: Path) -> Names | None:
    """What a file calls its segments; None of one that names none. Voxels are read only where segments may overlap.

    Raises `DataError` for one that is broken.
    """
    from labelfree_medical.masks import dicom_seg, slicer_nrrd
    from labelfree_medical.masks.segments import Names

    if dicom_seg.object_class(path) in dicom_seg.SEGMENTATIONS:
        apart = dicom_seg.names_apart(path)
    else:
        apart = slicer_nrrd.names_apart(path)
    if apart is not None:
        return Names(apart)
    segments = _segments(path)
    return None if segments is None else segments.names


def _segments(path: Path) -> Segments | None:
    """The segments of a file that names them; None of any other. Raises `DataError` for contours, and for a file that is broken."""
    from labelfree_medical.dicom.reasons import MODALITIES
    from labelfree_medical.masks import dicom_seg, slicer_nrrd

    kind = dicom_seg.object_class(path)
    if kind == dicom_seg.CONTOURS:
        raise DataError(f"{path}: is {MODALITIES['RTSTRUCT']}.")
    if kind in dicom_seg.SEGMENTATIONS:
        return dicom_seg.segments_of(path)
    return slicer_nrrd.segments_of(path, _stored(path)) if slicer_nrrd.names_segments(path) else None


def open_mask(path: Path, axes: int, names: Mapping[int, str] | None = None, of_one_class: bool = False) -> NumberedVoxels:
    """What a file holds, of an image with so many axes: a picture's is read by the core, which keeps the numbers of a palette.

    `names`: the classes of the set (`segments.class_numbers`), whose numbers go before those of files that name their segments.
    `of_one_class`: what another file marks is the class that it is named after.
    Raises `DataError` naming a file that is missing, broken, or holds fractions.
    """
    from labelfree.data.masks import read_as_picture, read_numbers, whole_numbers
    from labelfree_medical.masks.placing import NumberedVoxels
    from labelfree_medical.masks.segments import class_numbers
    from labelfree_medical.masks.whole_numbers import one_number_a_voxel

    if not path.is_file():
        raise DataError(f"{path}: there is no such mask; correct the path in the table.")
    if (segments := _segments(path)) is not None:
        numbers = {name: number for number, name in (names or class_numbers([segments.names])).items()}
        return NumberedVoxels(segments.numbered(path, numbers), segments.grid, cropped=True)
    if (axes == 2 or path.suffix.lower() not in STACKS) and read_as_picture(path):
        _refuse_hidden_jpeg(path)
        flat = whole_numbers(path, read_numbers(path, _no_picture))
        return NumberedVoxels(flat, Grid(tuple(flat.shape)))
    stored = _stored(path)
    marked = one_number_a_voxel(path, stored)
    return NumberedVoxels(_as_class(path, marked, names or {}) if of_one_class else marked, Grid.of(stored))


def _as_class(path: Path, numbers: np.ndarray, names: Mapping[int, str]) -> np.ndarray:
    """What a file marks, by the number of the class that it is named after. Raises `DataError` where it marks several things."""
    from labelfree.data.masks import mapped
    from labelfree.domain import IGNORE

    marked = {int(number) for number in np.unique(numbers)} - {0, IGNORE}
    if len(marked) > 1:
        raise DataError(
            f"{path}: lies among files of one class each and holds {len(marked)} numbers; save one mask of all classes instead."
        )
    number = next((number for number, name in names.items() if name == bare_name(path)), None)
    if number is None:
        raise DataError(f"{path}: is named after its class, and other masks of this set number theirs; keep them in folders of their own.")
    return mapped(numbers, lambda held: number if held in marked else held)


def _stored(path: Path) -> Stored:
    """A file as the domain reads images; of DICOM the whole series that it is a slice of."""
    from labelfree_medical.dicom import files_of, read_dicom
    from labelfree_medical.files import endings, read_file
    from labelfree_medical.masks.dicom_seg import object_class
    from labelfree_medical.stored import ImageFiles

    if path.name.lower().endswith(endings):
        return read_file(ImageFiles(path, (path,), "volume"))
    if object_class(path) is None:
        raise DataError(f"{path}: is no mask that can be read; save it as NIfTI, NRRD, MHA, DICOM-SEG or PNG.")
    listing = files_of(path)
    if len(listing.images) != 1:
        held = listing.untrusted[0].sentence if listing.untrusted else f"{path}: is no mask but {listing.no_images[0].reason}."
        raise DataError(held if not listing.images else f"{path}: holds {len(listing.images)} images; save one as the mask.")
    return read_dicom(listing.images[0])


def _no_picture(row: object) -> Sample:
    raise AssertionError(f"{row}: is read as a picture")


def _refuse_hidden_jpeg(path: Path) -> None:
    """Raises `DataError` for a JPEG under another name, which nobody would take for one; the core refuses those that are named so."""
    from PIL import Image

    from labelfree.data.label_formats.mask_numbers import LOSSY

    with Image.open(path) as opened:
        if opened.format == "JPEG" and path.suffix.lower() not in LOSSY:
            raise DataError(f"{path}: is a JPEG, which changes numbers around every edge; save the mask as PNG from its source.")
