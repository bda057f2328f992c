"""Images that are files of their own, told by their endings: NIfTI, NRRD, MetaImage, arrays and pictures. DICOM is found by content."""

from labelfree_medical.files.formats import endings, frame_file, list_files, read_file

__all__ = ["endings", "frame_file", "list_files", "read_file"]
