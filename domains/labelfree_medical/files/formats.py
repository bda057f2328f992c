"""Which endings are read by what, what a folder holds of them, and one image read."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from labelfree.data.threads import in_order
from labelfree.data.walk import Walk
from labelfree.errors import DataError
from labelfree_medical.files import arrays, metaimage, nifti, nrrd, pictures, tiff
from labelfree_medical.files.places import APART, corners, steps_of
from labelfree_medical.stored import ImageFiles, Listing, Stored, Untrusted

SHOWN = 3  # names of files in a sentence
T = TypeVar("T")


@dataclass(frozen=True)
class Format:
    """One kind of file: `found` lists the images of one, notes without its name; `read` reads one of them, `frame` its size and place.

    All raise `DataError`. `package`: what reads it, to be installed where it is missing.
    """

    endings: tuple[str, ...]
    found: Callable[[Path], Listing]
    read: Callable[[ImageFiles], Stored]
    package: str
    frame: Callable[[ImageFiles], Stored] | None = None


FORMATS = (
    Format(nifti.endings, nifti.list_nifti, nifti.read_nifti, "nibabel", nifti.frame_nifti),
    Format(nrrd.endings, nrrd.list_nrrd, nrrd.read_nrrd, "pynrrd", nrrd.frame_nrrd),
    Format(metaimage.endings, metaimage.list_metaimage, metaimage.read_metaimage, "SimpleITK", metaimage.frame_metaimage),
    Format(arrays.endings, arrays.list_arrays, arrays.read_array, "numpy"),
    Format(tiff.endings, tiff.list_tiff, tiff.read_tiff, "tifffile"),
    Format(pictures.endings, pictures.list_picture, pictures.read_picture, "Pillow", pictures.frame_picture),
)
endings = tuple(ending for each in FORMATS for ending in each.endings)


def list_files(root: Path) -> Listing:
    """The images of a folder and of those below it, or of one file, with what is wrong with any. Headers are read, no pixels."""
    paths = [root] if root.is_file() else [folder / name for folder, names in Walk(root) for name in names]
    files = sorted(path for path in paths if _format(path))
    found = list(in_order(_found, files))
    beside = {file for listing in found for image in listing.images for file in image.files if file != image.path}
    kept = [(path, listing) for path, listing in zip(files, found, strict=True) if path not in beside]
    return Listing(
        tuple(image for _, listing in kept for image in listing.images),
        tuple(none for _, listing in kept for none in listing.no_images),
        tuple(fault for _, listing in kept for fault in listing.untrusted),
        notes=_named(kept, root),
    )


def read_file(image: ImageFiles) -> Stored:
    """One image of its file, or one whose channels are a file each. Raises `DataError` naming the file that is missing or broken."""
    if len(image.files) > 1 and len(image.channels) == len(image.files):
        return _together([_read(replace(image, path=file, files=(file,), channels=())) for file in image.files], image)
    return _read(image)


def frame_file(image: ImageFiles) -> Stored | None:
    """What `read_file` gives without its channels, (0, *spatial), by headers alone; None where only reading tells."""
    each = _format(image.path)
    frame = each.frame if each else None
    return _needing(each, image.path, lambda: frame(image)) if each and frame else None


def _format(path: Path) -> Format | None:
    name = path.name.lower()
    return next((each for each in FORMATS if name.endswith(each.endings)), None)


def _found(path: Path) -> Listing:
    try:
        each = _format(path)
        assert each is not None
        return _needing(each, path, lambda: each.found(path))
    except DataError as error:
        return Listing(untrusted=(Untrusted((path,), str(error)),))


def _read(image: ImageFiles) -> Stored:
    each = _format(image.path)
    if each is None:
        raise DataError(f"{image.path}: ends in none of {', '.join(endings)}; convert it, or take it out.")
    if not image.path.is_file():
        raise DataError(f"{image.path}: there is no such file; correct the path in the table, or data.root.")
    return _needing(each, image.path, lambda: each.read(image))


def _needing(each: Format, path: Path, work: Callable[[], T]) -> T:
    """What the work gives. Raises `DataError` with the line that installs what it needs."""
    try:
        return work()
    except ImportError as error:
        raise DataError(f'{path}: {each.package} is needed to read it; pip install "labelfree[medical]".') from error
    except OSError as error:
        raise DataError(f"{path}: cannot be opened ({error.strerror or error}); check who may read it.") from error


def _named(found: Iterable[tuple[Path, Listing]], root: Path) -> tuple[str, ...]:
    """Each note once, after the files that it is of."""
    told: dict[str, list[str]] = defaultdict(list)
    for path, listing in found:
        for note in listing.notes:
            told[note].append(path.name if root.is_file() else path.relative_to(root).as_posix())
    return tuple(f"{_some(names)}: {note}" for note, names in told.items())


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _together(parts: Sequence[Stored], image: ImageFiles) -> Stored:
    """Files of one channel each as one image. Raises `DataError` naming two that do not lie on the same grid."""
    import numpy as np

    first = parts[0]
    for file, part in zip(image.files, parts, strict=True):
        if not _same(part, first) or len(part.channels) != 1:
            apart = f"does not lie on the grid of {os.path.relpath(image.files[0], file.parent)}"
            raise DataError(f"{file}: {apart}, and they are channels of one image; resample it, or set data.on_error=skip.")
    seen = [part.measured for part in parts if part.measured is not None]
    return replace(
        first,
        data=np.concatenate([part.data for part in parts]),
        channels=image.channels,
        scale=tuple(float(number) for part in parts for number in part.scale if not isinstance(number, tuple)),
        offset=tuple(float(number) for part in parts for number in part.offset if not isinstance(number, tuple)),
        measured=np.logical_and.reduce(seen) if seen else None,
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
    )


def _same(one: Stored, other: Stored) -> bool:
    """Whether two images have the same voxels in the same places, to a tenth of a step."""
    import numpy as np

    if one.data.shape != other.data.shape or one.affine is None or other.affine is None:
        return one.data.shape == other.data.shape and one.affine is other.affine
    shape = one.data.shape[1:]
    return bool(np.abs(corners(one.affine, shape) - corners(other.affine, shape)).max() < APART * min(steps_of(one.affine)))
