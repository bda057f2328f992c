"""Folders whose `dataset.json` pairs images with masks: nnU-Net's and the Decathlon's."""

from __future__ import annotations

from pathlib import Path

from labelfree.errors import DataError
from labelfree_medical.masks.dataset_json import NAME, Description, read_description
from labelfree_medical.masks.decathlon import is_decathlon, list_decathlon
from labelfree_medical.masks.nnunet import list_nnunet
from labelfree_medical.stored import Listing


def list_dataset(root: Path) -> Listing | None:
    """The images of such a folder, or of the one such folder in it, their channels, masks and classes; None of any other.

    Raises `DataError` for a `dataset.json` that is broken, and for a folder of several data sets.
    """
    described = read_description(root / NAME) or _only_one_in(root)
    if described is None:
        return None
    return list_decathlon(described) if is_decathlon(described) else list_nnunet(described)


def _only_one_in(root: Path) -> Description | None:
    """The data set of a folder that holds nothing else, as nnU-Net's `nnUNet_raw`."""
    inside = sorted(each for each in root.glob("*") if not each.name.startswith("."))
    if not inside or not all((each / NAME).is_file() for each in inside):
        return None
    if len(inside) > 1 and all(read_description(each / NAME) for each in inside):
        raise DataError(f"{root}: holds {len(inside)} data sets ({inside[0].name}, …), each with its own classes; name the folder of one.")
    return read_description(inside[0] / NAME) if len(inside) == 1 else None


def dataset_of(file: Path) -> Path | None:
    """The folder of that kind that an image or mask lies in, as `imagesTr/a.nii.gz` does; None where it lies in none."""
    root = file.parent.parent
    return root if file.parent.name[:6] in ("images", "labels") and (root / NAME).is_file() else None
