"""Folders of the Medical Segmentation Decathlon: `dataset.json` names images, which hold their channels in a fourth axis, and masks."""

from __future__ import annotations

from pathlib import Path

from labelfree_medical.masks.dataset_json import Description, missing_files, notes_on
from labelfree_medical.stored import ImageFiles, Listing


def is_decathlon(described: Description) -> bool:
    """Whether images lie where `dataset.json` says; those of nnU-Net 1 bear the number of a channel besides."""
    named = [image for image, _ in described.training] + list(described.test)
    return not described.ending and described.cases is None and any((described.root / image).is_file() for image in named)


def list_decathlon(described: Description) -> Listing:
    """Its images, with their masks where `dataset.json` names them; a file that it names and is not there is a fault."""
    root = described.root
    entries = [*described.training, *((image, "") for image in described.test)]
    found = [(root / image, root / label if label else None) for image, label in entries]
    images = tuple(
        ImageFiles(image, (image,), "volume", modality=described.modality, channels=described.channels, mask=_there(label))
        for image, label in found
        if image.is_file()
    )
    missing = [file for pair in found for file in pair if file is not None and not file.is_file()]
    untrusted = tuple(missing_files(described.file, missing))
    return Listing(images, (), untrusted, described.classes, described.ignore, notes_on(described, images))


def _there(file: Path | None) -> Path | None:
    return file if file is not None and file.is_file() else None
