"""The images of a folder, of whatever format, and the one that a file belongs to."""

from __future__ import annotations

from pathlib import Path

from labelfree.errors import DataError
from labelfree_medical.stored import ImageFiles, Listing

ABOVE = 2  # folders above a file in which a data set's own description may lie


def list_folder(root: Path) -> Listing:
    """All images under a folder: as the description of a data set says that lies in it, else DICOM by content and other files by their
    endings.
    """
    from labelfree_medical.dicom import list_dicom
    from labelfree_medical.files import list_files
    from labelfree_medical.masks.class_files import with_class_files
    from labelfree_medical.masks.folders import list_dataset
    from labelfree_medical.masks.named_masks import with_named_masks
    from labelfree_medical.masks.segment_names import with_segment_names

    described = list_dataset(root)
    if described is not None:
        return described
    dicom, files = list_dicom(root), list_files(root)
    taken = {file for image in dicom.images for file in image.files} | {file for each in dicom.untrusted for file in each.files}
    taken |= {file for each in dicom.no_images for file in each.files}
    listing = Listing(
        images=(*dicom.images, *(image for image in files.images if image.path not in taken)),
        no_images=(*dicom.no_images, *files.no_images),
        untrusted=(*dicom.untrusted, *(each for each in files.untrusted if not taken.issuperset(each.files))),
        classes={**files.classes, **dicom.classes},
        notes=(*dicom.notes, *files.notes),
    )
    return with_segment_names(with_class_files(with_named_masks(listing)))


def image_of(path: Path, key: str) -> tuple[ImageFiles, Listing]:
    """The image that a file belongs to, or a folder holds, and all that was listed for it. `key`: of one of several.

    Raises `DataError` saying what the file is instead, or which images it holds.
    """
    if not path.exists():
        raise DataError(f"{path}: there is no such file; correct the path.")
    listing = list_folder(path) if path.is_dir() else _around(path)
    images = [image for image in listing.images if path.is_dir() or path == image.path or path in image.files]
    mine = [image for image in images if not key or image.key == key]
    if len(mine) == 1:
        return mine[0], listing
    if mine:
        shown = ", ".join(f"{image.path}#{image.key}" if image.key else str(image.path) for image in mine[:3])
        raise DataError(f"{path}: holds {len(mine)} images ({shown}{', …' if len(mine) > 3 else ''}); name one of them.")
    for untrusted in listing.untrusted:
        if path.is_dir() or path in untrusted.files:
            raise DataError(untrusted.sentence)
    for no_image in listing.no_images:
        if path in no_image.files:
            raise DataError(f"{path}: is no image but {no_image.reason}.")
    raise DataError(f"{path}: holds no image that the medical domain reads.")


def _around(path: Path) -> Listing:
    """What a file belongs to: a described data set, a series of its folder, or itself alone."""
    from labelfree_medical.dicom import files_of
    from labelfree_medical.files import endings, list_files
    from labelfree_medical.masks.folders import list_dataset

    if path.name.lower().endswith(endings):
        for folder in list(path.parents)[:ABOVE]:
            described = list_dataset(folder)
            if described is not None and any(path in (image.path, *image.files) for image in described.images):
                return described
        return list_files(path)
    return files_of(path)
