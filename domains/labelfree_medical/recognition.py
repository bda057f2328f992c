"""Whether a file itself tells that it is of this field: formats that nobody else writes do, pictures and arrays do not."""

from __future__ import annotations

from labelfree.domain import Sample

FORMAT = "format"  # the tag of a sample that holds it
TELLING = ("DICOM", "NIfTI", "NRRD", "MetaImage")
ENDINGS = {
    (".nii", ".nii.gz", ".hdr", ".img"): "NIfTI",
    (".nrrd", ".nhdr", ".seg.nrrd"): "NRRD",
    (".mha", ".mhd"): "MetaImage",
}


def format_of(name: str, dicom: bool) -> str:
    """What a file is called that is read as such, by what was found in it, else by its ending; "" of pictures and arrays."""
    if dicom:
        return "DICOM"
    return next((kind for endings, kind in ENDINGS.items() if name.lower().endswith(endings)), "")


def recognised(sample: Sample) -> str | None:
    """In a few words what tells; None where nothing does."""
    kind = sample.tags.get(FORMAT, "")
    return f"it is {kind}" if kind in TELLING else None
