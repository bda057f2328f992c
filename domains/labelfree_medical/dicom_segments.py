"""Classes of a series' voxels as a DICOM segmentation that names the slices it was made from, by highdicom.

DICOM PS3.3 A.51. What it is called is ours; who it is of, the series says.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelfree_medical.stored import ImageFiles

if TYPE_CHECKING:
    import numpy as np

MAKER, METHOD = "labelfree", "labelfree segmentation head"
NUMBER = 300  # of the series, behind those of a scanner
REQUIRED = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyID", "StudyDate", "StudyTime", "AccessionNumber",
            "ReferringPhysicianName", "SeriesNumber", "InstanceNumber")  # fmt: skip
"""Elements that may be empty and must be there; exports without names lack them."""


def save_segments(file: Path, numbers: np.ndarray, classes: Mapping[int, str], series: ImageFiles) -> bool:
    """Write (slices, rows, columns) `numbers`, a segment for each of `classes`. False, and no file, where headers lack what one needs."""
    import numpy as np

    sources = _sources(series, len(numbers))
    if sources is None or not classes:
        return False
    headers, order = sources
    labels = np.zeros(numbers.shape, np.uint8)
    for segment, number in enumerate(classes, 1):
        labels[numbers == number] = segment
    try:
        made = _segmentation(labels[list(order)], list(classes.values()), headers)
    except (AttributeError, KeyError, TypeError, ValueError):  # what highdicom misses in headers
        return False
    part = file.with_name(f".making-{file.name}")
    made.save_as(part)
    part.replace(file)
    return True


def _sources(series: ImageFiles, count: int) -> tuple[list[Any], Sequence[int]] | None:
    """Headers, and of each of their frames the slice that it is; None where frames of one file are of several volumes."""
    from labelfree_medical.dicom.quiet import quiet_pydicom
    from labelfree_medical.dicom.reading import ordered_slices

    slices = ordered_slices(series)
    paths = list(dict.fromkeys(each.path for each in slices))
    headers = [quiet_pydicom().dcmread(path, stop_before_pixels=True, force=True) for path in paths]
    if len(paths) != count and (len(paths) != 1 or int(headers[0].get("NumberOfFrames") or 0) != count):
        return None
    for header in headers:
        for name in REQUIRED:
            if name not in header:
                setattr(header, name, None)
    order = range(count) if len(paths) == count else sorted(range(count), key=lambda number: slices[number].frame)
    return headers, order


def _segmentation(labels: np.ndarray, names: Sequence[str], headers: list[Any]) -> Any:
    """(frames, rows, columns) 0 or the number of a segment, counted from 1."""
    import highdicom
    from pydicom.sr.codedict import codes
    from pydicom.uid import generate_uid

    logging.getLogger("highdicom").setLevel(logging.CRITICAL + 1)
    release = version(MAKER)
    algorithm = highdicom.AlgorithmIdentificationSequence(METHOD, codes.DCM.ArtificialIntelligence, release)
    described = [
        highdicom.seg.SegmentDescription(
            segment_number=number,
            segment_label=name[:64],
            segmented_property_category=codes.SCT.AnatomicalStructure,
            segmented_property_type=codes.SCT.AnatomicalStructure,
            algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=algorithm,
        )
        for number, name in enumerate(names, 1)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they quote what headers hold
        return highdicom.seg.Segmentation(
            source_images=headers,
            pixel_array=labels,
            segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
            segment_descriptions=described,
            series_instance_uid=generate_uid(),
            series_number=NUMBER,
            sop_instance_uid=generate_uid(),
            instance_number=1,
            manufacturer=MAKER,
            manufacturer_model_name=MAKER,
            software_versions=release,
            device_serial_number="0",
            series_description=METHOD,
            content_label="LABELFREE",
        )
