"""Images as `labelfree_medical.stored.Stored`, from the files that a listing names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from labelfree.errors import DataError
from labelfree_medical.dicom.header_index import headers_under
from labelfree_medical.dicom.headers import read_header
from labelfree_medical.dicom.pictures import read_picture, tags_of
from labelfree_medical.dicom.series import parts_of
from labelfree_medical.dicom.slices import Slice, slices_of
from labelfree_medical.dicom.values import Values, read_dataset, values_of
from labelfree_medical.dicom.volumes import TO_RAS, Grid, Unsound, directions_of, grid_of
from labelfree_medical.stored import ImageFiles, Stored


def read_dicom(image: ImageFiles) -> Stored:
    """One image of `list_dicom`: (C, slices, rows, columns) of a volume, (C, rows, columns) of a picture, in the stored dtype.

    Raises `DataError` naming a file that is missing, broken, truncated or compressed in a way that no installed decoder reads, and where
    slices make no volume.
    """
    return _volume(image) if image.kind == "volume" else read_picture(image)


def ordered_slices(image: ImageFiles) -> Sequence[Slice]:
    """The slices of a volume as `read_dicom` puts them, by their headers. Raises `DataError` where they make no volume."""
    slices: list[Slice] = []
    for path in image.files:
        slices += slices_of(read_dataset(path), path, marked=len(image.files) == 1)
    return _placed(image, slices)[0]


def frame_dicom(image: ImageFiles) -> Stored | None:
    """The size of a series of files, (0, *spatial), and how it lies, by the header of one slice; slices count as 1 mm apart.

    None where that does not tell.
    """
    header = read_header(image.path) if len(image.files) > 1 else None
    if header is None or not header.slices or not header.slices[0].placed:
        return None
    plane = header.slices[0]
    try:
        right, down, normal = directions_of([plane])
    except Unsound:
        return None
    affine = np.eye(4)
    affine[:3, :3] = TO_RAS @ np.stack([normal, down, right], axis=1)
    return Stored(np.empty((0, len(image.files), plane.rows, plane.columns), np.uint8), (), (), (), "stored", affine)


def placed_dicom(image: ImageFiles) -> Stored | None:
    """The size of a series of files, (0, *spatial), and where it lies in mm, by all of its headers, which are kept; None where these do
    not tell.
    """
    folders = {file.parent for file in image.files}
    headers = {header.path: header for folder in folders for header in headers_under(folder, deep=False).headers}
    planes = [each for file in image.files if file in headers for each in headers[file].slices]
    if len(planes) < 2 or len(planes) != len(image.files):
        return None
    try:
        grid = grid_of(planes)
    except Unsound:
        return None
    shape = (0, len(planes), planes[0].rows, planes[0].columns)
    return Stored(np.empty(shape, np.uint8), (), (), (), "stored", grid.affine, grid.spacing)


def _volume(image: ImageFiles) -> Stored:
    slices: list[Slice] = []
    read: dict[tuple[Path, int], tuple[Values, int]] = {}
    for path in image.files:
        dataset = read_dataset(path)
        values = values_of(dataset, path)
        planes = slices_of(dataset, path, marked=len(image.files) == 1)
        if len(planes) != len(values.numbers) or values.numbers.ndim != 3:
            raise DataError(
                f"{path}: holds {len(values.numbers)} frames where its header places {len(planes)}; remove it, or fetch it again."
            )
        slices += planes
        read.update({(path, plane.frame): (values, number) for number, plane in enumerate(planes)})
    ordered, grid = _placed(image, slices)
    found = [read[each.path, each.frame] for each in ordered]
    scale, offset = _scales(values.slopes[at] for values, at in found), _scales(values.intercepts[at] for values, at in found)
    units = {values.unit for values, _ in found}
    if len(units) > 1:
        raise DataError(f"{image.path}: its slices are in {' and '.join(sorted(units))}; remove the series, or set data.on_error=skip.")
    return Stored(
        data=np.stack([values.numbers[at] for values, at in found])[None],
        channels=(image.modality or "gray",),
        scale=scale,
        offset=offset,
        unit=units.pop(),
        affine=grid.affine,
        spacing=grid.spacing,
        measured=_measured(found),
        notes=tuple(dict.fromkeys(note for values, _ in found for note in values.notes)),
        tags=tags_of(image),
    )


def _placed(image: ImageFiles, slices: Sequence[Slice]) -> tuple[Sequence[Slice], Grid]:
    """The slices of an image in order, and their grid: all of several files, or those of one file that its key names."""
    try:
        if len(image.files) > 1 and all(each.placed for each in slices):
            grid = grid_of(slices)
            return [slices[number] for number in grid.order], grid
        parts = [part for part in parts_of(slices) if part.grid is not None and image.key in ("", part.name)]
        if len(parts) == 1 and parts[0].grid is not None:
            return parts[0].slices, parts[0].grid
        why = "its frames make no volume"
    except Unsound as unsound:
        why = f"{len(slices)} slices of its series make no volume: {unsound}"
    raise DataError(f"{image.path}: {why}; fetch it again, remove it, or set data.on_error=skip.")


def _scales(each: Iterable[float]) -> Any:
    """One number where all slices have the same, else one a slice, of the one channel of a volume."""
    values = tuple(each)
    return values[:1] if len(set(values)) == 1 else (values,)


def _measured(found: Sequence[tuple[Values, int]]) -> np.ndarray | None:
    """(slices, rows, columns) bool, None where everything is."""
    if all(values.measured is None for values, _ in found):
        return None
    everywhere = np.ones(found[0][0].numbers.shape[1:], dtype=bool)
    return np.stack([everywhere if values.measured is None else values.measured[at] for values, at in found])
