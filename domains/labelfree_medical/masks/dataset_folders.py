"""Folders whose `dataset.json` pairs images with masks: nnU-Net's and the Decathlon's."""

from __future__ import annotations

from pathlib import Path

from labelfree_medical.masks.dataset_json import NAME, read_description
from labelfree_medical.masks.decathlon import is_decathlon, list_decathlon
from labelfree_medical.masks.nnunet import list_nnunet
from labelfree_medical.stored import Listing


def list_dataset(root: Path) -> Listing | None:
    """The images of such a folder, their channels, masks and classes; None where no `dataset.json` of the kind lies in it.

    Raises `DataError` for one that is broken.
    """
    described = read_description(root / NAME)
    if described is None:
        return None
    return list_decathlon(described) if is_decathlon(described) else list_nnunet(described)


def dataset_of(file: Path) -> Path | None:
    """The folder of that kind that an image or mask lies in, as `imagesTr/a.nii.gz` does; None where it lies in none."""
    root = file.parent.parent
    return root if file.parent.name[:6] in ("images", "labels") and (root / NAME).is_file() else None
