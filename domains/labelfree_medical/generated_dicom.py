"""The generated phantom as a PACS exports it: files without an ending, in no order, in folders of patient, study and series."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from labelfree.errors import DataError

if TYPE_CHECKING:
    from pydicom import Dataset

CT = "1.2.840.10008.5.1.4.1.1.2"
DAY = "20200101"


def write_slices(directory: Path, patient: int, stack: Sequence[np.ndarray], spacing: Sequence[float], draw: np.random.Generator) -> Path:
    """Write a CT series, one file for each slice of Hounsfield units (H, W) from feet to head; returns its folder."""
    folder = directory / f"PHANTOM{patient:03d}" / "ST0001" / "SE0001"
    folder.mkdir(parents=True, exist_ok=True)
    names = draw.permutation(len(stack))
    height, width = stack[0].shape
    corner = (-spacing[0] * (width - 1) / 2, -spacing[1] * (height - 1) / 2)  # towards the left and the back
    for place, values in enumerate(stack):
        made = _header(patient, image=place + 1)
        made.ImagePositionPatient = [f"{corner[0]:.6g}", f"{corner[1]:.6g}", f"{(place - (len(stack) - 1) / 2) * spacing[2]:.6g}"]
        made.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        made.PixelSpacing = [f"{spacing[1]:.6g}", f"{spacing[0]:.6g}"]
        made.SliceThickness = f"{spacing[2]:.6g}"
        made.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        made.RescaleSlope, made.RescaleIntercept, made.RescaleType = 1, -1024, "HU"
        _save(made, values.round() + 1024, folder / f"IM{names[place] + 1:04d}")
    return folder


def _header(patient: int, image: int) -> Dataset:
    """What every file says of itself. Identifiers follow from the numbers, so that an export is the same each time."""
    try:
        from pydicom import Dataset
        from pydicom.dataset import FileMetaDataset
        from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid
    except ImportError as error:
        raise DataError("variant 'dicom': pydicom is needed to write it; pip install 'labelfree[medical]'.") from error

    def uid(*numbers: int) -> str:
        return generate_uid(entropy_srcs=["labelfree_medical", *map(str, numbers)])

    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = UID(CT)
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = UID(uid(patient, 1, 1, image))
    made.PatientName, made.PatientID, made.PatientSex, made.PatientBirthDate = "GENERATED^PHANTOM", f"PHANTOM{patient:03d}", "O", DAY
    made.StudyInstanceUID, made.SeriesInstanceUID = uid(patient, 1), uid(patient, 1, 1)
    made.FrameOfReferenceUID = uid(patient, 1, 0)
    made.StudyDate = made.SeriesDate = made.ContentDate = made.AcquisitionDate = DAY
    made.StudyTime = made.SeriesTime = made.ContentTime = made.AcquisitionTime = "120000"
    made.AccessionNumber, made.StudyID = f"G{patient:03d}", "1"
    made.SeriesNumber, made.AcquisitionNumber, made.InstanceNumber = 1, 1, image
    made.Modality, made.Manufacturer, made.SeriesDescription = "CT", "labelfree", "GENERATED, not a patient"
    return made


def _save(made: Dataset, values: np.ndarray, path: Path) -> None:
    """Write 12 bits of gray."""
    made.Rows, made.Columns = values.shape
    made.SamplesPerPixel, made.PixelRepresentation = 1, 0
    made.PhotometricInterpretation = "MONOCHROME2"
    made.BitsAllocated, made.BitsStored, made.HighBit = 16, 12, 11
    made.PixelData = values.round().clip(0, 4095).astype("<u2").tobytes()
    made.save_as(path, enforce_file_format=True)
