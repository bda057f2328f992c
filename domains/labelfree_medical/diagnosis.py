"""Whether this machine can read medical images: the packages that do it, and the decoders of compressed DICOM."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from labelfree.domain import Finding
from labelfree.errors import DataError

PACKAGES = (
    "pydicom", "highdicom", "nibabel", "pynrrd", "SimpleITK", "pylibjpeg", "pylibjpeg-openjpeg", "pylibjpeg-rle", "python-gdcm",
    "tifffile", "monai",
)  # fmt: skip
NEEDED = {
    "DICOM": ("pydicom", "highdicom"),
    "NIfTI, NRRD and MetaImage": ("nibabel", "pynrrd", "SimpleITK"),
}
COMPRESSED = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90")


def readers() -> list[Finding]:
    """A finding for each kind of file."""
    return [*(_finding(what, packages) for what, packages in NEEDED.items()), *_decoders()]


def _decoders() -> list[Finding]:
    """Whether compressed pixels can be read, whichever packages do it; nothing where DICOM cannot be read at all."""
    from labelfree_medical.dicom.syntaxes import syntax_fault

    try:
        faults = [fault for syntax in COMPRESSED if (fault := syntax_fault(syntax))]
    except DataError:
        return []
    if faults:
        fact, _, way = faults[0].rpartition("; ")
        return [Finding("compressed DICOM", "warning", f"not all of it can be read: what {fact}", way)]
    return [Finding("compressed DICOM", "ok", "JPEG, JPEG lossless, JPEG-LS and JPEG 2000 can be read")]


def _finding(what: str, packages: tuple[str, ...]) -> Finding:
    installed, missing = [], []
    for name in packages:
        try:
            installed.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        lacking = f"{', '.join(missing)} {'are' if len(missing) > 1 else 'is'} not installed: not all of it can be read"
        return Finding(what, "warning", lacking, "pip install 'labelfree[medical]'")
    return Finding(what, "ok", ", ".join(installed))
