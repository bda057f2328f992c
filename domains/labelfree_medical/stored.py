"""What readers of the medical domain pass on: an image as its files hold it, and what a folder of files holds.

No heavy package is imported here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np

Kind = Literal["volume", "picture"]
Axes = Literal["xyz", "zyx"]  # columns first, as in NIfTI; or slices, rows, columns, as in DICOM and arrays


@dataclass(frozen=True)
class Stored:
    """One image or volume as its files hold it, its axes in stored order.

    `data`: (C, *spatial) in the stored dtype. `scale`, `offset`: physical = stored * scale + offset, one number a channel, or (C, depth)
    where each step along the first spatial axis has its own. `affine`: (4, 4), indices along a volume's three spatial axes and 1 to mm in
    RAS+ (right, anterior, superior), of a slice of one (row, column, 0, 1); None where no file places it, as of pictures. `spacing`: mm
    along each spatial axis; None: unknown.
    `axes`: the order in which a volume's are stored, or were turned.
    `measured`: (*spatial) bool, False where nothing was measured; None where all is. `unit`: "HU", "SUV", "display" (0 to 1 of 8 bits),
    "stored" where nobody knows. `notes`: sentences on how the files were understood, without names of people or files, told once a set.
    """

    data: np.ndarray
    channels: tuple[str, ...]
    scale: tuple[float, ...] | tuple[tuple[float, ...], ...]
    offset: tuple[float, ...] | tuple[tuple[float, ...], ...]
    unit: str
    affine: np.ndarray | None = None
    spacing: tuple[float, ...] | None = None
    measured: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    axes: Axes = "xyz"


@dataclass(frozen=True)
class ImageFiles:
    """One image of a folder and the files that it is made of.

    `path`: the file that stands for it in tables and ids: the first of `files` by name. `key`: tells images of the same `path` apart (a row
    of an array file, a part of a split series), "" where there is one. `modality`: CT, MR, CR, …; "" where nobody says. `series`, `study`,
    `patient`, `accession`, `instances` (of each file): identifiers as the headers have them, for grouping and for tables that name them;
    never written to a run.
    `channels`: names where each file is a channel. `kernel`: of a reconstruction, "" where nobody says. `mask`, `split`, `label`: what
    folders of a known layout, or arrays beside it in its own file, say of it. `mask_files`: where several files are the mask together, or
    their names are those of the classes, all of them; `mask` is the first. `burnt_in`: text in pixels.
    """

    path: Path
    files: tuple[Path, ...]
    kind: Kind
    key: str = ""
    modality: str = ""
    series: str = ""
    study: str = ""
    patient: str = ""
    accession: str = ""
    instances: tuple[str, ...] = ()
    description: str = ""
    kernel: str = ""
    channels: tuple[str, ...] = ()
    mask: Path | None = None
    mask_files: tuple[Path, ...] = ()
    split: str = ""
    label: str = ""
    burnt_in: bool = False

    @property
    def masks(self) -> tuple[Path, ...]:
        """All files of its mask."""
        return self.mask_files or (() if self.mask is None else (self.mask,))

    def with_masks(self, files: tuple[Path, ...], named: bool = False) -> ImageFiles:
        """The same with these files as its mask; none: without any. `named`: a single one, too, is named after its class."""
        return replace(self, mask=files[0] if files else None, mask_files=files if named or len(files) > 1 else ())


@dataclass(frozen=True)
class NoImage:
    """Files that are no image to learn from, or the same one again: no fault. `reason`: what they are, as in "a report (SR)".

    `names`: identifiers as the headers have them, which tables may name.
    """

    files: tuple[Path, ...]
    reason: str
    names: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Untrusted:
    """Files that should be an image and cannot be trusted: a fault. `sentence` names them, says what is wrong, and what to do.

    `names`: as of `NoImage`.
    """

    files: tuple[Path, ...]
    sentence: str
    names: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Listing:
    """What a folder holds. `classes`: numbers of masks to their names, where the folder says so; `notes`: sentences for the log."""

    images: tuple[ImageFiles, ...] = ()
    no_images: tuple[NoImage, ...] = ()
    untrusted: tuple[Untrusted, ...] = ()
    classes: Mapping[int, str] = field(default_factory=dict)
    ignore: int | None = None
    notes: tuple[str, ...] = ()
