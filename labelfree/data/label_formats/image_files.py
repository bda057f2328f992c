"""Folders with one file of labels an image: what each says, and those that say nothing because they are broken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from labelfree.data.label_formats.listed import ListedImage
from labelfree.errors import DataError


def read_each(files: Sequence[Path], folder: Path, image_of: Callable[[Path], ListedImage]) -> tuple[list[ListedImage], list[str]]:
    """The image of each file, and a sentence on each that is broken, foreign or called as another image.

    A broken one still lists the image of its stem, of which somebody wrote what nobody can read. Raises the first `DataError` of
    `image_of` where it raises for every file: then the folder is no set.
    """
    listed, faults, first = list[ListedImage](), list[str](), None
    for file in files:
        try:
            listed.append(image_of(file))
        except DataError as error:
            first = first or error
            faults.append(str(error))
            name = file.relative_to(folder).as_posix()
            listed.append(ListedImage(name, name, faulty=["nothing in it can be read"]))
    if first is not None and len(faults) == len(listed):
        raise first
    return listed, faults
