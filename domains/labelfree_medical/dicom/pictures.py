"""Pictures: films, ultrasound, single slices and the frames of a cine, each an image of its own."""

from __future__ import annotations

import numpy as np

from labelfree_medical.colours import COLOURS
from labelfree_medical.dicom.elements import spacing_of
from labelfree_medical.dicom.slices import slices_of
from labelfree_medical.dicom.ultrasound import BY_REGION, spacing_of_region
from labelfree_medical.dicom.values import read_dataset, values_of
from labelfree_medical.stored import ImageFiles, Stored

FRAME = "frame "
AT_DETECTOR = "the pixels of films are measured at the detector (ImagerPixelSpacing): what they show is smaller by the magnification"


def frame_key(frame: int) -> str:
    """What tells a picture of a file of many from the others; `frame` counts from 0, a person from 1."""
    return f"{FRAME}{frame + 1}"


def read_picture(image: ImageFiles) -> Stored:
    """(C, rows, columns) in the stored dtype: one channel, or red, green and blue. `spacing` as `PixelSpacing`, the detector or
    the region of ultrasound has it.

    Raises `DataError` naming the file where it cannot be decoded.
    """
    dataset = read_dataset(image.path)
    frame = int(image.key.removeprefix(FRAME)) - 1 if image.key else None
    values = values_of(dataset, image.path, frame, picture=True)
    colour = values.numbers.ndim == 4
    planes, notes = slices_of(dataset, image.path), values.notes
    spacing = planes[min(frame or 0, len(planes) - 1)].spacing
    if spacing is None and (spacing := spacing_of(dataset, "ImagerPixelSpacing")) is not None:
        notes = (*notes, AT_DETECTOR)
    if spacing is None and (spacing := spacing_of_region(dataset)) is not None:
        notes = (*notes, BY_REGION)
    return Stored(
        data=np.ascontiguousarray(values.numbers[0].transpose(2, 0, 1)) if colour else values.numbers,
        channels=COLOURS if colour else (image.modality or "gray",),
        scale=values.slopes * (3 if colour else 1),
        offset=values.intercepts * (3 if colour else 1),
        unit=values.unit,
        spacing=spacing,
        measured=None if values.measured is None else values.measured[0],
        notes=notes,
        tags=tags_of(image),
    )


def tags_of(image: ImageFiles) -> dict[str, str]:
    """What a listing says of an image, so far as it names nobody."""
    given = {"modality": image.modality, "kernel": image.kernel}
    return {name: value for name, value in given.items() if value}
