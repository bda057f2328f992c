"""What is no image to learn from, told by a header: reports, contours, plans, localisers, screenshots. No fault, and never silent."""

from __future__ import annotations

import re
from collections.abc import Collection

from labelfree_medical.dicom.headers import Header

# Pictures stand alone: projections, ultrasound, endoscopy, photographs. They are never stacked, whatever series they are of.
PICTURES = frozenset(("CR", "DX", "MG", "US", "IVUS", "XA", "RF", "IO", "PX", "RG", "XC", "OP", "ES", "GM", "DG", "TG", "LS", "EM", "SC"))

# A piece of the name of a storage class, and what such a file is; the first that fits.
STORED = (
    ("Media Storage Directory", "the directory of a disc (DICOMDIR); the files that it lists are found without it"),
    ("Radiation Dose SR", "a report of dose (SR)"),
    ("Key Object Selection", "a selection of key images (KO)"),
    (" SR Storage", "a report (SR)"),
    ("Structured Report", "a report (SR)"),
    ("Presentation State", "a presentation state (PR)"),
    ("RT Structure Set", "contours (RTSTRUCT), not read as a mask; export them as DICOM-SEG or NIfTI, with dcmrtstruct2nii or 3D Slicer"),
    ("RT Dose", "a dose distribution (RTDOSE)"),
    ("Plan Storage", "a plan of treatment (RTPLAN)"),
    ("Treatment Record", "a record of treatment (RTRECORD)"),
    ("RT ", "an object of radiotherapy"),
    ("Segmentation Storage", "a segmentation (DICOM-SEG): a mask, and no image"),
    ("Registration", "a registration (REG)"),
    ("Fiducials", "fiducials (FID)"),
    ("Real World Value Mapping", "a mapping of values (RWV)"),
    ("Raw Data", "raw data of a scanner"),
    ("Spectroscopy", "a spectrum (MRS)"),
    ("Encapsulated", "a document"),
    ("Waveform", "a waveform"),
    ("ECG", "a waveform"),
    ("Whole Slide Microscopy", "a whole slide of microscopy, which this domain does not read; save its tiles as pictures"),
    ("Hanging Protocol", "a hanging protocol"),
    ("Tractography", "fibre tracks"),
    ("Color Palette", "a palette of colours"),
    ("Video ", "a video"),
    ("Surface", "a surface mesh"),
    ("Stereometric Relationship", "a pairing of pictures"),
)
# The same by the modality, where the storage class is unknown.
MODALITIES = {
    "SR": "a report (SR)",
    "KO": "a selection of key images (KO)",
    "PR": "a presentation state (PR)",
    "RTSTRUCT": dict(STORED)["RT Structure Set"],
    "RTDOSE": "a dose distribution (RTDOSE)",
    "RTPLAN": "a plan of treatment (RTPLAN)",
    "RTRECORD": "a record of treatment (RTRECORD)",
    "SEG": dict(STORED)["Segmentation Storage"],
    "REG": "a registration (REG)",
    "DOC": "a document",
    "ECG": "a waveform",
    "AU": "sound",
    "SM": dict(STORED)["Whole Slide Microscopy"],
}
LOCALISERS = frozenset(("LOCALIZER", "LOCALISER", "SCOUT", "TOPOGRAM", "SURVIEW", "SCANOGRAM"))
LOCALISER = re.compile(r"\b(locali[sz]ers?|pilots?|scouts?|topograms?|surview|survey|scanograms?|3 ?pl(ane)? ?loc\w*|plan scan)\b")
SCREENSHOTS = ("SCREEN SAVE", "SCREEN CAPTURE", "SCREEN SNAPSHOT", "SCREENSAVE")


def reason_against(header: Header) -> str | None:
    """Why a file is no image to learn from, as in "a report (SR)"; None: it should be one."""
    for piece, what in STORED:
        if piece in header.storage:
            return what
    if header.modality in MODALITIES:
        return MODALITIES[header.modality]
    if not header.slices and not header.fault:
        return f"no image ({header.storage or 'of an unknown kind'})"
    return _localiser(header) or _screenshot(header)


def is_picture_by_itself(header: Header, studies: Collection[str]) -> bool:
    """Whether a secondary capture is a picture of its own: a photograph or a scanned film, no screenshot of another image.

    `studies`: those that hold images. What says that it is a screenshot, or of a modality that makes volumes, is never one.
    """
    captured = "Secondary Capture" in header.storage and bool(header.slices) and header.study not in studies
    return captured and header.modality in ("OT", "HC", "") and not any(kind in header.image_type for kind in SCREENSHOTS)


def _localiser(header: Header) -> str | None:
    if header.modality in PICTURES:
        return None
    words = re.sub(r"[\W_]+", " ", (header.description or header.protocol).lower())
    told = LOCALISERS & set(header.image_type) or LOCALISER.search(words)
    return "a localiser (scout)" if told else None


def _screenshot(header: Header) -> str | None:
    captured = "Secondary Capture" in header.storage
    if any(kind in header.image_type for kind in SCREENSHOTS):
        return "a screenshot (secondary capture)"
    if header.modality in PICTURES or not header.slices:
        return None
    colour = header.samples > 1 or header.photometric == "PALETTE COLOR"
    if captured and (colour or not header.slices[0].placed):
        return "a screenshot (secondary capture)"
    if colour and header.modality in ("CT", "MR", "PT", "NM"):
        return f"a picture in colour among {header.modality} (a map or a screenshot)"
    return None
