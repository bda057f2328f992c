"""Masks and images as other programs write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import highdicom
import nibabel
import nrrd
import numpy as np
import pydicom
import SimpleITK
from labelfree_medical.masks.mask_files import names_in
from labelfree_medical.masks.segments import class_numbers
from labelfree_medical.stored import Stored
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

SLANTED = np.array([[0.8, -0.1, 0, -12], [0.1, 0.8, 0.05, 3], [0, -0.02, 2.5, 40], [0, 0, 0, 1.0]])
STRAIGHT = np.array([[0.8, 0, 0, -12], [0, 0.8, 0, 3], [0, 0, 2, 40], [0, 0, 0, 1.0]])
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def volume(size: Sequence[int], affine: np.ndarray | None = STRAIGHT) -> Stored:
    """An image of this size; its voxels do not matter to masks."""
    return Stored(np.zeros((1, *size), np.int16), ("gray",), (1.0,), (0.0,), "stored", affine)


def class_names(files: Sequence[Path]) -> dict[int, str]:
    """The classes of masks that name their segments, by the numbers of a set of them."""
    return class_numbers(names for file in files if (names := names_in(file)) is not None)


def write_nifti(file: Path, numbers: np.ndarray, affine: np.ndarray | None = STRAIGHT) -> Path:
    nibabel.save(nibabel.Nifti1Image(numbers, affine), file)  # type: ignore[no-untyped-call]
    return file


def itk_image(numbers: np.ndarray, affine: np.ndarray) -> SimpleITK.Image:
    """`numbers`: (x, y, z). `affine`: to mm in RAS+."""
    image = SimpleITK.GetImageFromArray(numbers.transpose(2, 1, 0))
    steps = (LPS @ affine)[:3, :3]
    spacing = np.linalg.norm(steps, axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin((LPS @ affine)[:3, 3].tolist())
    image.SetDirection((steps / spacing).reshape(-1).tolist())
    return image


def write_mha(file: Path, numbers: np.ndarray, affine: np.ndarray = STRAIGHT) -> Path:
    SimpleITK.WriteImage(itk_image(numbers, affine), str(file), useCompression=True)
    return file


def write_segments(file: Path, layers: np.ndarray, segments: Sequence[Mapping[str, Any]], affine: np.ndarray = STRAIGHT) -> Path:
    """As 3D Slicer does: `layers` (L, x, y, z), one without its axis; `segments`: what each says (Name, LabelValue, Layer)."""
    lps = LPS @ affine
    header: dict[str, Any] = {"space": "left-posterior-superior", "space origin": lps[:3, 3], "encoding": "gzip"}
    steps = lps[:3, :3].T
    header["space directions"] = steps if len(layers) == 1 else np.vstack([[np.nan] * 3, steps])
    header["kinds"] = ["domain"] * 3 if len(layers) == 1 else ["list", *["domain"] * 3]
    for number, said in enumerate(segments):
        header |= {f"Segment{number}_{key}": str(value) for key, value in said.items()}
    nrrd.write(str(file), layers[0] if len(layers) == 1 else layers, header)
    return file


def slices(count: int = 6, size: tuple[int, int] = (8, 9), affine: np.ndarray = STRAIGHT) -> list[pydicom.Dataset]:
    """CT slices, as their headers have them, whose grid is `affine` for (columns, rows, slices)."""
    lps = LPS @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    across, down, _ = (lps[:3, axis] / spacing[axis] for axis in range(3))
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    made = []
    for number in range(count):
        each = pydicom.Dataset()
        each.file_meta = pydicom.dataset.FileMetaDataset()
        each.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        each.SOPClassUID, each.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", generate_uid()
        each.StudyInstanceUID, each.SeriesInstanceUID, each.FrameOfReferenceUID = study, series, frame
        each.Modality, each.PatientID, each.PatientName, each.PatientBirthDate, each.PatientSex = "CT", "1", "A^B", "", ""
        each.StudyID, each.StudyDate, each.StudyTime, each.AccessionNumber, each.ReferringPhysicianName = "1", "", "", "", ""
        each.SeriesNumber, each.InstanceNumber, each.Laterality, each.Manufacturer = 1, number + 1, "", "m"
        each.ImagePositionPatient = [float(value) for value in lps[:3, 3] + number * lps[:3, 2]]
        each.ImageOrientationPatient = [float(value) for value in (*across, *down)]
        each.PixelSpacing, each.SliceThickness = [float(spacing[1]), float(spacing[0])], float(spacing[2])
        each.Rows, each.Columns = size
        each.BitsAllocated, each.BitsStored, each.HighBit, each.PixelRepresentation = 16, 16, 15, 1
        each.SamplesPerPixel, each.PhotometricInterpretation = 1, "MONOCHROME2"
        made.append(each)
    return made


def write_seg(file: Path, sources: list[pydicom.Dataset], layers: np.ndarray, names: Sequence[str], kind: str = "BINARY") -> Path:
    """`layers`: (slices, rows, columns, segments), or (slices, rows, columns) by number."""
    code = codes.SCT.Organ
    described = [
        highdicom.seg.SegmentDescription(number, name, code, code, highdicom.seg.SegmentAlgorithmTypeValues.MANUAL)
        for number, name in enumerate(names, start=1)
    ]
    segmentation = highdicom.seg.Segmentation(
        sources, layers, kind, described, generate_uid(), 2, generate_uid(), 1, "m", "m", "1", "1"
    )  # fmt: skip
    segmentation.save_as(file)
    return file
