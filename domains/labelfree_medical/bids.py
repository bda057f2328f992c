"""Subjects by names of files as in BIDS: `sub-01/ses-02/anat/sub-01_ses-02_T1w.nii.gz` (bids-specification.readthedocs.io)."""

from __future__ import annotations

import re
from pathlib import Path

SUBJECT = re.compile(r"(sub-[0-9A-Za-z+]+)(?:_.*)?")  # an entity ends at an underscore, or with the name of a folder


def subject_of(root: Path, file: Path) -> str:
    """The entity `sub-…` of a file's name, else of the nearest folder below `root`; "" where none has one."""
    names = file.relative_to(root).parts if file.is_relative_to(root) else file.parts
    return next((found[1] for name in reversed(names) if (found := SUBJECT.fullmatch(name)) is not None), "")
