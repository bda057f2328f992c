"""DICOM segmentations, read by highdicom, and what other DICOM objects hold contours.

DICOM PS3.3 A.51 (Segmentation IOD), C.8.20 (its image and segments).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from labelfree.errors import DataError
from labelfree_medical.masks.grids import Grid
from labelfree_medical.masks.segments import Segment, Segments

if TYPE_CHECKING:
    import highdicom

SEGMENTATIONS = {"1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"}  # Segmentation, Label Map Segmentation
CONTOURS = "1.2.840.10008.5.1.4.1.1.481.3"  # RT Structure Set
UNEVEN = 0.25  # of the step between slices: positions are often rounded to tenths of mm
UNKNOWN_STEP = 1.0  # mm that a single slice counts for where nobody says
UID = re.compile(r"\d+(\.\d+){4,}")  # identifiers that libraries quote
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def object_class(path: Path) -> str | None:
    """The SOP class of a DICOM file, "" where its header does not say; None for any other file."""
    from labelfree_medical.dicom.finding import HEAD, looks_like_dicom

    with path.open("rb") as file:
        if not looks_like_dicom(file.read(HEAD)):
            return None
    return str(_header(path, ["SOPClassUID"]).get("SOPClassUID", ""))


def _header(path: Path, wanted: list[str]) -> Any:
    """These elements of a header; none where it cannot be read."""
    from labelfree_medical.dicom.quiet import quiet_pydicom

    try:
        return quiet_pydicom().dcmread(path, force=True, specific_tags=wanted, stop_before_pixels=True)
    except Exception:  # pydicom raises whatever broken bytes lead to; who reads the file says what is wrong
        return {}


def names_apart(path: Path) -> dict[int, str] | None:
    """The names of segments by number, where the header says that they do not overlap; None where it does not."""
    header = _header(path, ["SegmentationType", "SegmentsOverlap", "SegmentSequence"])
    apart = header.get("SegmentationType") == "LABELMAP" or header.get("SegmentsOverlap") == "NO"
    each = header.get("SegmentSequence", ())
    if not apart or not each or not all("SegmentNumber" in segment and "SegmentLabel" in segment for segment in each):
        return None
    return {number: _name(segment.SegmentLabel, number) for segment in each if (number := int(segment.SegmentNumber)) > 0}


def _name(label: object, number: int) -> str:
    return str(label).strip() or f"segment {number}"


def segments_of(path: Path) -> Segments:
    """The segments of a file, axes (slices, rows, columns), or (rows, columns) where it has no place in the patient.

    Raises `DataError` for fractions, slices at uneven distances, and files that highdicom cannot read.
    """
    try:
        segmentation = _opened(path)
        described = [(number, _name(each.segment_label, number)) for number, each in _descriptions(segmentation)]
        return _in_space(path, segmentation, described) if _is_placed(segmentation) else _of_picture(path, segmentation, described)
    except DataError:
        raise
    except Exception as error:  # highdicom and decoders raise whatever a broken file leads to
        what = UID.sub("…", str(error).partition("\n")[0])
        raise DataError(f"{path}: is a DICOM segmentation that cannot be read ({what}); export it again.") from error


def _opened(path: Path) -> highdicom.seg.Segmentation:
    """A file, by the package whose warnings quote identifiers."""
    try:
        import highdicom
    except ImportError as error:
        raise DataError('highdicom is needed to read DICOM segmentations: pip install "labelfree[medical]".') from error
    from labelfree_medical.dicom.quiet import quiet_pydicom

    logging.getLogger("highdicom").setLevel(logging.CRITICAL + 1)
    dataset = quiet_pydicom().dcmread(path, force=True)
    for measures in _pixel_measures(dataset):
        if "SliceThickness" not in measures:  # of films there is none, and highdicom reads nothing without it
            measures.SliceThickness = UNKNOWN_STEP
    return highdicom.seg.Segmentation.from_dataset(dataset, copy=False)


def _pixel_measures(dataset: Any) -> Iterator[Any]:
    """The size of pixels as it is said, for all frames or for each."""
    for name in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for group in dataset.get(name) or ():
            yield from group.get("PixelMeasuresSequence") or ()


def _descriptions(segmentation: highdicom.seg.Segmentation) -> Iterator[tuple[int, Any]]:
    """The segments by number, without a background."""
    for number in segmentation.segment_numbers:
        if number > 0:
            yield int(number), segmentation.get_segment_description(number)


def _is_placed(segmentation: highdicom.seg.Segmentation) -> bool:
    """Whether frames lie in the patient."""
    groups = [*segmentation.get("SharedFunctionalGroupsSequence", ()), *segmentation.get("PerFrameFunctionalGroupsSequence", ())[:1]]
    return any("PlanePositionSequence" in group for group in groups)


def _in_space(path: Path, segmentation: highdicom.seg.Segmentation, described: list[tuple[int, str]]) -> Segments:
    """A volume: one layer where segments lie apart, else a layer each."""
    try:
        volume = segmentation.get_volume(combine_segments=True, rtol=UNEVEN)
        layers = volume.array[None].astype(np.int32)
        each = tuple(Segment(number, name, 0, number) for number, name in described)
    except (RuntimeError, ValueError):  # they overlap, or hold fractions; what failed once keeps its table locked
        volume = _opened(path).get_volume(segment_numbers=[number for number, _ in described], rtol=UNEVEN)
        layers = _ones(path, np.moveaxis(volume.array, -1, 0))
        each = _a_layer_each(described)
    layers, affine = _with_undrawn(layers, volume.affine, _slice_step(path))
    return Segments(layers, each, Grid(tuple(layers.shape[1:]), LPS_TO_RAS @ affine, "zyx"))


def _slice_step(path: Path) -> float:
    """mm from slice to slice of the images drawn on, as the file says; 0 where it does not."""
    said: Any = next(_pixel_measures(_header(path, ["SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"])), {})
    return float(said.get("SpacingBetweenSlices") or said.get("SliceThickness") or 0)


def _with_undrawn(layers: np.ndarray, affine: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Layers and affine with empty slices between those drawn: where only some were, a slice must not count for its neighbours."""
    apart = float(np.linalg.norm(affine[:3, 0]))
    every = round(apart / step) if step else 1
    if every <= 1 or layers.shape[1] == 1:
        return layers, affine
    shape = (layers.shape[0], (layers.shape[1] - 1) * every + 1, *layers.shape[2:])
    filled = np.zeros(shape, layers.dtype)
    filled[:, ::every] = layers
    return filled, affine @ np.diag([1 / every, 1, 1, 1])


def _of_picture(path: Path, segmentation: highdicom.seg.Segmentation, described: list[tuple[int, str]]) -> Segments:
    """Frames of one picture, one a segment."""
    sources = {uid for _, _, uid in segmentation.get_source_image_uids()}
    if len(sources) != 1:
        raise DataError(f"{path}: lies on {len(sources)} pictures without a place in the patient; export a segmentation a picture.")
    numbers = [number for number, _ in described]
    frames = segmentation.get_pixels_by_source_instance(sorted(sources), segment_numbers=numbers, assert_missing_frames_are_empty=True)
    layers = _ones(path, np.moveaxis(frames[0], -1, 0))
    return Segments(layers, _a_layer_each(described), Grid(tuple(layers.shape[1:])))


def _a_layer_each(described: list[tuple[int, str]]) -> tuple[Segment, ...]:
    return tuple(Segment(number, name, layer, 1) for layer, (number, name) in enumerate(described))


def _ones(path: Path, layers: np.ndarray) -> np.ndarray:
    """Layers of 0 and 1. Raises `DataError` for shares of a voxel between."""
    if not np.isin(layers, (0, 1)).all():
        raise DataError(f"{path}: holds fractions (a FRACTIONAL segmentation); export it as BINARY, where a voxel is in a segment or not.")
    return layers.astype(np.int32)
