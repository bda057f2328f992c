"""Headers of DICOM files: what each says of its place among others."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from labelfree_medical.dicom.elements import first_item, tag_of, text, texts, value_of, whole
from labelfree_medical.dicom.finding import HEAD, has_preamble, looks_like_dicom
from labelfree_medical.dicom.pixel_ends import length_fault, pixel_fault
from labelfree_medical.dicom.quiet import quiet_pydicom
from labelfree_medical.dicom.slices import MARKS, PRIVATE_B, Slice, creator_of, slices_of

DEFLATED = "1.2.840.10008.1.2.1.99"
WANTED = (
    *("SOPClassUID", "SOPInstanceUID", "Modality", "SeriesInstanceUID", "StudyInstanceUID", "PatientID", "AccessionNumber"),
    *("ProtocolName", "BurnedInAnnotation", "ReferencedSeriesSequence"),
    *("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated"),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SpacingBetweenSlices", "SliceVector"),
    *("DetectorInformationSequence", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
    *MARKS.values(),
    *PRIVATE_B,
    *map(creator_of, PRIVATE_B),
)


@dataclass(frozen=True)
class Header:
    """What a file's header says of its place among others. `fault`: why its pixels cannot be trusted, as in "ends before its pixels do".

    `storage`: the name of its storage class, as in "CT Image Storage". `of_series`: the series that a segmentation was
    drawn on. `slices`: its planes; () where it has no pixels.
    """

    path: Path
    fault: str = ""
    syntax: str = ""
    storage: str = ""
    instance: str = ""
    modality: str = ""
    series: str = ""
    study: str = ""
    patient: str = ""
    accession: str = ""
    description: str = ""
    protocol: str = ""
    image_type: tuple[str, ...] = ()
    photometric: str = ""
    samples: int = 1
    frames: int = 1
    burnt_in: bool = False
    of_series: str = ""
    slices: tuple[Slice, ...] = ()


def read_header(path: Path) -> Header | None:
    """The header of a file; None where it is no DICOM. One that ends too early, or cannot be read, has a `fault`."""
    pydicom = quiet_pydicom()
    with path.open("rb") as file:
        head = file.read(HEAD)
        if not looks_like_dicom(head):
            return None
        file.seek(0)
        try:
            dataset = pydicom.dcmread(file, stop_before_pixels=True, force=True, specific_tags=[tag_of(name) for name in WANTED])
            if not has_preamble(head) and not text(dataset, "SOPClassUID") and not whole(dataset, "Rows"):
                return None
            return _header(path, dataset, file)
        except Exception as error:  # pydicom raises whatever broken bytes make it raise
            if not has_preamble(head):
                return None
            cut = isinstance(error, (EOFError, zlib.error))
            return Header(path, "ends before its pixels begin" if cut else f"has a header that cannot be read ({type(error).__name__})")


def _header(path: Path, dataset: Any, file: BinaryIO) -> Header:
    pydicom = quiet_pydicom()
    meta = getattr(dataset, "file_meta", None)
    syntax = text(meta, "TransferSyntaxUID")
    uid = text(meta, "MediaStorageSOPClassUID") or text(dataset, "SOPClassUID")
    storage = str(pydicom.uid.UID(uid).name)
    has_pixels = whole(dataset, "Rows") > 0 and whole(dataset, "Columns") > 0
    fault: str | None = ""
    placeless = not text(dataset, "StudyInstanceUID") and not text(dataset, "SeriesInstanceUID") and "Media Storage" not in storage
    if has_pixels or placeless or "Image Storage" in storage:
        fault = _deflated_fault(path) if syntax == DEFLATED else pixel_fault(file, dataset)
    return Header(
        path,
        fault=fault or "",
        syntax=syntax,
        storage=storage,
        instance=text(dataset, "SOPInstanceUID"),
        modality=text(dataset, "Modality").upper() or MODALITIES.get(storage.split(" Image")[0].removeprefix("Enhanced "), ""),
        series=text(dataset, "SeriesInstanceUID"),
        study=text(dataset, "StudyInstanceUID"),
        patient=text(dataset, "PatientID"),
        accession=text(dataset, "AccessionNumber"),
        description=text(dataset, "SeriesDescription"),
        protocol=text(dataset, "ProtocolName"),
        image_type=tuple(kind.upper() for kind in texts(dataset, "ImageType")),
        photometric=text(dataset, "PhotometricInterpretation").upper(),
        samples=max(1, whole(dataset, "SamplesPerPixel")),
        frames=max(1, whole(dataset, "NumberOfFrames")),
        burnt_in=text(dataset, "BurnedInAnnotation").upper() == "YES",
        of_series=text(first_item(dataset, "ReferencedSeriesSequence"), "SeriesInstanceUID"),
        slices=slices_of(dataset, path) if has_pixels else (),
    )


# Where a header leaves its modality out, its storage class tells.
MODALITIES = {
    "CT": "CT",
    "MR": "MR",
    "Positron Emission Tomography": "PT",
    "PET": "PT",
    "Nuclear Medicine": "NM",
    "Computed Radiography": "CR",
    "Digital X-Ray": "DX",
    "Digital Mammography X-Ray": "MG",
    "Ultrasound": "US",
    "Ultrasound Multi-frame": "US",
}


def _deflated_fault(path: Path) -> str | None:
    """A file whose data set is compressed as a whole has no lengths to look at."""
    dataset = quiet_pydicom().dcmread(path, force=True)
    return length_fault(len(value_of(dataset, "PixelData") or b""), dataset)
