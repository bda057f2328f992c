"""Whether this machine can read pictures of parts with every level."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from labelfree.domain import Finding

PACKAGES = ("pillow", "tifffile", "imagecodecs")
NEEDED = {"tifffile": "TIFF", "imagecodecs": "16-bit PNG, JPEG 2000 and compressed or packed TIFF"}


def readers() -> list[Finding]:
    """A finding for each package that reads what Pillow would narrow to 8 bits."""
    return [_finding(package, what) for package, what in NEEDED.items()]


def _finding(package: str, what: str) -> Finding:
    try:
        return Finding(what, "ok", f"{package} {version(package)}")
    except PackageNotFoundError:
        return Finding(what, "warning", f"{package} is not installed: not all of it can be read", "pip install 'labelfree[inspection]'")
