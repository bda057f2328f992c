"""Whether this machine can read medical images: the packages that do it, and the decoders of compressed DICOM."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from labelfree.domain import Finding

PACKAGES = (
    "pydicom", "highdicom", "nibabel", "pynrrd", "SimpleITK", "pylibjpeg", "pylibjpeg-libjpeg", "pylibjpeg-openjpeg", "pylibjpeg-rle",
    "tifffile", "monai",
)  # fmt: skip
NEEDED = {
    "DICOM": ("pydicom", "highdicom"),
    "compressed DICOM": ("pylibjpeg", "pylibjpeg-libjpeg", "pylibjpeg-openjpeg"),  # the last two do nothing without the first
    "NIfTI, NRRD and MetaImage": ("nibabel", "pynrrd", "SimpleITK"),
}


def readers() -> list[Finding]:
    """A finding for each kind of file."""
    return [_finding(what, packages) for what, packages in NEEDED.items()]


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
