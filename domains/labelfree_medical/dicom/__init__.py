"""DICOM as hospitals store it: found by content, put together by position, its numbers as the headers say.

pydicom reads headers and pixels; what is wrong with a series is told here in words, and highdicom is the witness in the tests.
"""

from labelfree_medical.dicom.finding import is_dicom
from labelfree_medical.dicom.listing import files_of, list_dicom
from labelfree_medical.dicom.reading import frame_dicom, placed_dicom, read_dicom

__all__ = ["files_of", "frame_dicom", "is_dicom", "list_dicom", "placed_dicom", "read_dicom"]
