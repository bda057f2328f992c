"""Transfer syntaxes: which are read, and what to install for one that is not."""

from __future__ import annotations

from functools import cache

from labelfree_medical.dicom.quiet import quiet_pydicom


@cache
def syntax_fault(uid: str) -> str:
    """Why pixels of a transfer syntax cannot be read, as in "is a video (MPEG-4 …), which is not read"; "": they can be."""
    if not uid:
        return ""
    pydicom = quiet_pydicom()
    syntax = pydicom.uid.UID(uid)
    try:
        decoder = pydicom.pixels.get_decoder(syntax)
    except NotImplementedError:
        if any(video in syntax.name for video in ("MPEG", "HEVC", "SMPTE")):
            return f"is a video ({syntax.name}), which is not read; save its frames as pictures"
        return f"is stored in a way that is not read (transfer syntax {syntax.name}); export it uncompressed, or as JPEG 2000 lossless"
    if decoder.is_available:
        return ""
    wavelets = syntax in pydicom.uid.JPEG2000TransferSyntaxes or "High-Throughput" in syntax.name
    packages = "pylibjpeg pylibjpeg-openjpeg" if wavelets else "python-gdcm"
    return f"is compressed as {syntax.name}, and its decoder is not installed; pip install {packages}"
