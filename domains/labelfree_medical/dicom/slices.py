"""Slices: where a header places each of a file's frames in the patient, and what tells frames at one place apart."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labelfree_medical.dicom.elements import Numbers, first_item, numbers, spacing_of, texts, value_of, whole

# Marks tell slices at one place apart. The first always part a series, since their numbers mean something else …
KINDS = ("kernel", "echo", "b", "time", "kV")
# … the others only where positions repeat or make no regular grid: some scanners change them from slice to slice.
OCCASIONS = (
    *("description", "series number", "image type", "direction", "inversion", "flip", "acquisition", "trigger", "frame time"),
    *("phase", "sequence", "acquisition time", "content time", "stack", "folder"),
)
LOCATION = "location"  # what SliceLocation says: it orders nothing, and may gainsay positions
MARKS = {  # of a file of one frame, as its header calls them
    "kernel": "ConvolutionKernel",
    "echo": "EchoTime",
    "b": "DiffusionBValue",
    "time": "TemporalPositionIdentifier",
    "kV": "KVP",
    "description": "SeriesDescription",
    "series number": "SeriesNumber",
    "image type": "ImageType",
    "direction": "DiffusionGradientOrientation",
    "inversion": "InversionTime",
    "flip": "FlipAngle",
    "acquisition": "AcquisitionNumber",
    "trigger": "TriggerTime",
    "frame time": "FrameReferenceTime",
    "phase": "NominalPercentageOfCardiacPhase",
    "sequence": "SequenceName",
    "acquisition time": "AcquisitionTime",
    "content time": "ContentTime",
    LOCATION: "SliceLocation",
}
# b values where the standard's own element is left out, of whom its group says that it is (its private creator)
PRIVATE_B = {0x0019100C: "SIEMENS", 0x20011003: "Philips", 0x00431039: "GEMS"}


@dataclass(frozen=True)
class Slice:
    """One plane of pixels. `position`, `orientation`: as DICOM has them, in mm, of left, posterior, superior; None: not told.

    `spacing`: mm between rows, and between columns. `frame`: its number in its file, from 0. `marks`: what its header says, by the names
    in `KINDS` and `OCCASIONS`.
    """

    path: Path
    frame: int
    rows: int
    columns: int
    position: Numbers | None = None
    orientation: Numbers | None = None
    spacing: Numbers | None = None
    marks: Mapping[str, str] = field(default_factory=dict)

    def mark(self, name: str) -> str:
        """What one of `KINDS` or `OCCASIONS` says of it, "" where nothing does."""
        return str(self.path.parent) if name == "folder" else self.marks.get(name, "")

    @property
    def placed(self) -> bool:
        """Whether its header says where it lies."""
        return self.position is not None and self.orientation is not None


def slices_of(dataset: Any, path: Path, marked: bool = True) -> tuple[Slice, ...]:
    """The planes of a file: one, or a frame each where functional groups or a reconstruction of nuclear medicine place them.

    A file of many frames that no header places (a cine) has one plane, not placed. `marked` false: without marks, of a file of one frame.
    """
    size = (whole(dataset, "Rows"), whole(dataset, "Columns"))
    frames = value_of(dataset, "PerFrameFunctionalGroupsSequence")
    if frames:
        shared = first_item(dataset, "SharedFunctionalGroupsSequence")
        return tuple(_of_groups([frame, shared], path, number, size) for number, frame in enumerate(frames))
    many = whole(dataset, "NumberOfFrames") > 1
    if many and "RECON TOMO" in texts(dataset, "ImageType"):
        return _reconstructed(dataset, path, size)
    position = None if many else numbers(dataset, "ImagePositionPatient", 3)
    orientation = None if many else numbers(dataset, "ImageOrientationPatient", 6)
    return (Slice(path, 0, *size, position, orientation, spacing_of(dataset), _marks(dataset) if marked else {}),)


def _marks(dataset: Any) -> dict[str, str]:
    """Of a file of one frame."""
    given = {mark: value_of(dataset, name) for mark, name in MARKS.items()}
    if given["b"] is None:
        given["b"] = _private_b(dataset)
    return _written(given)


def _of_groups(groups: Sequence[Any], path: Path, frame: int, size: tuple[int, int]) -> Slice:
    """One frame by its functional groups: its own first, then those that all frames share."""

    def macro(name: str) -> Any:
        return next((item for part in groups if (item := first_item(part, name)) is not None), None)

    content, diffusion = macro("FrameContentSequence"), macro("MRDiffusionSequence")
    kinds = (macro(name) for name in ("MRImageFrameTypeSequence", "CTImageFrameTypeSequence", "PETFrameTypeSequence"))
    given = {
        "kernel": value_of(macro("CTReconstructionSequence"), "ConvolutionKernel"),
        "echo": value_of(macro("MREchoSequence"), "EffectiveEchoTime"),
        "b": value_of(diffusion, "DiffusionBValue"),
        "time": value_of(content, "TemporalPositionIndex"),
        "image type": next((value_of(kind, "FrameType") for kind in kinds if kind is not None), None),
        "direction": value_of(first_item(diffusion, "DiffusionGradientDirectionSequence"), "DiffusionGradientOrientation"),
        "acquisition": value_of(content, "FrameAcquisitionNumber"),
        "trigger": value_of(macro("CardiacSynchronizationSequence"), "NominalCardiacTriggerDelayTime"),
        "acquisition time": value_of(content, "FrameAcquisitionDateTime"),
        "stack": value_of(content, "StackID"),
    }
    position = numbers(macro("PlanePositionSequence"), "ImagePositionPatient", 3)
    orientation = numbers(macro("PlaneOrientationSequence"), "ImageOrientationPatient", 6)
    return Slice(path, frame, *size, position, orientation, spacing_of(macro("PixelMeasuresSequence")), _written(given))


def _reconstructed(dataset: Any, path: Path, size: tuple[int, int]) -> tuple[Slice, ...]:
    """Frames of a reconstruction of nuclear medicine: the first is placed by the detector, the others follow along its normal.

    PS3.3 C.8.4.15: a negative distance stacks them against the normal.
    """
    places = (first_item(dataset, "DetectorInformationSequence"), dataset)
    position = next((at for place in places if (at := numbers(place, "ImagePositionPatient", 3))), None)
    orientation = next((at for place in places if (at := numbers(place, "ImageOrientationPatient", 6))), None)
    step, spacing = numbers(dataset, "SpacingBetweenSlices", 1), spacing_of(dataset)
    if position is None or orientation is None or step is None:
        return (Slice(path, 0, *size, spacing=spacing),)
    a, b, c, d, e, f = orientation
    normal = (b * f - c * e, c * d - a * f, a * e - b * d)
    count = whole(dataset, "NumberOfFrames")
    order = numbers(dataset, "SliceVector", count) or range(1, count + 1)
    return tuple(
        Slice(path, frame, *size, tuple(x + (at - 1) * step[0] * n for x, n in zip(position, normal, strict=True)), orientation, spacing)
        for frame, at in enumerate(order)
    )


def _private_b(dataset: Any) -> float | None:
    for tag, maker in PRIVATE_B.items():
        value = value_of(dataset, tag)
        if value is None or maker not in str(value_of(dataset, creator_of(tag))):
            continue
        if isinstance(value, bytes):  # of a type that the file does not tell
            packed = maker == "Philips" and len(value) == 4
            value = struct.unpack("<f", value)[0] if packed else value.decode("ascii", "ignore").split("\\")[0]
        elif hasattr(value, "__iter__") and not isinstance(value, str):
            value = next(iter(value), None)
        try:
            return float(value) % 100_000 if value not in (None, "") else None  # GE adds a billion
        except (TypeError, ValueError):
            return None
    return None


def creator_of(tag: int) -> int:
    """The tag that says whose a private element is."""
    return tag & 0xFFFF0000 | (tag & 0xFF00) >> 8


def _written(given: Mapping[str, Any]) -> dict[str, str]:
    """Values as text, without those that are not told."""
    return {name: written for name, value in given.items() if (written := _short(value))}


def _short(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.hex()
    if hasattr(value, "__iter__") and not isinstance(value, str):
        return " ".join(filter(None, map(_short, value)))
    try:
        return f"{float(value):g}"
    except (TypeError, ValueError, OverflowError):
        return str(value).strip()
