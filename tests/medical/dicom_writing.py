"""Small DICOM files as scanners and archives write them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
PET = "1.2.840.10008.5.1.4.1.1.128"
CR = "1.2.840.10008.5.1.4.1.1.1"
CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
US = "1.2.840.10008.5.1.4.1.1.6.1"
ULTRASOUND_CINE = "1.2.840.10008.5.1.4.1.1.3.1"
ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"
NM = "1.2.840.10008.5.1.4.1.1.20"
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)


def header(storage: str = CT, modality: str = "CT", series: str = "1.2.3", **given: Any) -> Dataset:
    """A header of one patient and study; `given` elements by their names."""
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.Modality = storage, generate_uid(), modality
    dataset.SeriesInstanceUID, dataset.StudyInstanceUID, dataset.PatientID = series, "1.2", "P1"
    for name, value in given.items():
        setattr(dataset, name, value)
    return dataset


def with_pixels(dataset: Dataset, pixels: np.ndarray, bits: int = 0, frames: bool = False) -> Dataset:
    """Pixels (rows, columns), (rows, columns, 3), or with `frames` the same of each; `bits` stored, 0: all that are allocated."""
    shape = pixels.shape[1:] if frames else pixels.shape
    dataset.Rows, dataset.Columns = shape[:2]
    dataset.SamplesPerPixel = shape[2] if len(shape) == 3 else 1
    if len(shape) == 3:
        dataset.PlanarConfiguration = 0
    if frames:
        dataset.NumberOfFrames = len(pixels)
    dataset.PhotometricInterpretation = dataset.get("PhotometricInterpretation") or ("RGB" if len(shape) == 3 else "MONOCHROME2")
    dataset.BitsAllocated = 8 * pixels.dtype.itemsize
    dataset.BitsStored = bits or dataset.BitsAllocated
    dataset.HighBit = dataset.get("HighBit") or dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
    return dataset


def write(path: Path, dataset: Dataset, syntax: str = ExplicitVRLittleEndian, bare: bool = False) -> Path:
    """Write it, `bare`: without preamble and file meta information."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if bare:
        dataset.save_as(path, implicit_vr=True, little_endian=True, enforce_file_format=False)
        return path
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(path, enforce_file_format=True)
    return path


def slice_at(position: Sequence[float], pixels: np.ndarray | None = None, orientation: Sequence[float] = AXIAL, **given: Any) -> Dataset:
    """A slice of 6 × 5 pixels, rows 0.8 mm and columns 0.7 mm apart, in HU of -1024 and more."""
    rescaled = {"RescaleSlope": 1, "RescaleIntercept": -1024} if given.get("modality", "CT") == "CT" else {}
    dataset = header(**{**rescaled, **given})
    dataset.ImagePositionPatient, dataset.ImageOrientationPatient = list(position), list(orientation)
    dataset.PixelSpacing = dataset.get("PixelSpacing") or [0.8, 0.7]
    return with_pixels(dataset, pixels if pixels is not None else np.arange(30, dtype=np.int16).reshape(6, 5) + int(10 * position[2]))


def write_stack(folder: Path, heights: Sequence[float], names: str = "IM{:04}.dcm", **given: Any) -> list[Path]:
    """Axial slices at heights in mm, in files numbered from 1."""
    numbered = enumerate(heights, 1)
    return [write(folder / names.format(number), slice_at((-10, -20, z), InstanceNumber=number, **given)) for number, z in numbered]


def enhanced(heights: Sequence[float], pixels: np.ndarray, frames: Sequence[dict[str, Any]] = (), **given: Any) -> Dataset:
    """A file of many frames at heights in mm; `frames`: for each, functional groups and the elements of their one item."""
    dataset = with_pixels(header(**{"storage": ENHANCED_CT, **given}), pixels, frames=True)
    shared = _groups(
        {"PlaneOrientationSequence": {"ImageOrientationPatient": list(AXIAL)}, "PixelMeasuresSequence": {"PixelSpacing": [0.8, 0.7]}}
    )
    each = [
        {**(frames[number] if frames else {}), "PlanePositionSequence": {"ImagePositionPatient": [-10, -20, z]}}
        for number, z in enumerate(heights)
    ]
    dataset.SharedFunctionalGroupsSequence = [shared]
    dataset.PerFrameFunctionalGroupsSequence = [_groups(groups) for groups in each]
    return dataset


def _groups(groups: dict[str, dict[str, Any]]) -> Dataset:
    found = Dataset()
    for name, elements in groups.items():
        item = Dataset()
        for element, value in elements.items():
            setattr(item, element, value)
        setattr(found, name, [item])
    return found
