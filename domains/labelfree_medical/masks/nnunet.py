"""Folders of nnU-Net 1 and 2: a file a channel (`case_0000.nii.gz`), masks named as their case, `imagesTr` beside `labelsTr`."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from labelfree_medical.masks.dataset_json import Description, missing_files, notes_on
from labelfree_medical.stored import ImageFiles, Kind, Listing, Untrusted

CHANNEL = re.compile(r"(.+)_(\d{4})")
ENDING = ".nii.gz"  # of nnU-Net 1, which knows no other
PICTURES = (".png", ".bmp", ".jpg", ".jpeg", ".tif", ".tiff")  # files that may hold all channels
PARTS = (("imagesTr", "labelsTr", "train"), ("imagesTs", "labelsTs", "test"))


@dataclass(frozen=True)
class Case:
    """`files`: one a channel by its number. `mask`: None of a case that nobody drew."""

    name: str
    files: Mapping[int, Path]
    mask: Path | None
    split: str = ""


def list_nnunet(described: Description) -> Listing:
    """Its cases. One that lacks a channel or its images is a fault; one without a mask is an image nobody drew on.

    Where `imagesTs` has masks of its own (`labelsTs`) it is the test set; without them its images are unlabelled ones like any others.
    """
    cases = list(_listed(described)) if described.cases is not None else list(_in_folders(described))
    tested = any(case.split == "test" and case.mask for case in cases)
    whole = [replace(case, split=case.split if tested else "") for case in cases if _is_whole(described, case)]
    untrusted = [_lacking(described, case) for case in cases if not _is_whole(described, case)]
    images = tuple(_image(described, case) for case in whole)
    untrusted += [*_unlisted(described, cases), *_lone_masks(described, cases)]
    return Listing(images, (), tuple(untrusted), described.classes, described.ignore, notes_on(described, images))


def _listed(described: Description) -> Iterator[Case]:
    """The cases that `dataset.json` names, wherever they lie."""
    for name, (images, label) in (described.cases or {}).items():
        mask = described.root / label
        files = {number: described.root / image for number, image in enumerate(images)}
        there = {number: file for number, file in files.items() if file.is_file()}
        yield Case(name, there, mask if label and mask.is_file() else None, "train")


def _in_folders(described: Description) -> Iterator[Case]:
    for images, labels, split in PARTS:
        files = defaultdict[str, dict[int, Path]](dict)
        for file, stem in _files(described, images):
            if (found := CHANNEL.fullmatch(stem)) is not None:
                files[found[1]][int(found[2])] = file
        masks = {stem: file for file, stem in _files(described, labels)}
        for name, channels in files.items():
            yield Case(name, channels, masks.get(name), split)


def _files(described: Description, folder: str) -> list[tuple[Path, str]]:
    """Files with the ending of the set, by name, and their names without it."""
    ending = described.ending or ENDING
    named = sorted(file for file in (described.root / folder).glob("*") if not file.name.startswith("."))
    return [(file, file.name.removesuffix(ending)) for file in named if file.name.endswith(ending)]


def _is_whole(described: Description, case: Case) -> bool:
    """Whether a case has each channel, in files of their own or together in a picture."""
    together = set(case.files) == {0} and case.files[0].suffix.lower() in PICTURES
    return together or set(case.files) == set(range(len(described.channels)))


def _lacking(described: Description, case: Case) -> Untrusted:
    names = [f"{name} (_{number:04d})" for number, name in enumerate(described.channels) if number not in case.files]
    beyond = [number for number in case.files if number >= len(described.channels)]
    lack = (
        f"has no {', '.join(names)}; add it"
        if names
        else f"has a channel _{beyond[0]:04d} that {described.file.name} does not name; name it"
    )
    files = tuple(case.files[number] for number in sorted(case.files))
    where = files[0] if files else described.root / case.name
    return Untrusted(files, f"{where}: case {case.name} {lack}, or take the case out.")


def _unlisted(described: Description, cases: list[Case]) -> list[Untrusted]:
    """Training cases that nnU-Net 1 lists and whose images are not there."""
    named = [described.root / image for image, _ in described.training if image]
    known = {case.name for case in cases}
    missing = [file for file in named if file.name.removesuffix(described.ending or ENDING) not in known]
    return missing_files(described.file, missing)


def _lone_masks(described: Description, cases: list[Case]) -> list[Untrusted]:
    """Masks of cases without images."""
    if described.cases is not None:
        return []
    known = {case.mask for case in cases}
    alone = [mask for _, labels, _ in PARTS for mask, _ in _files(described, labels) if mask not in known]
    return [Untrusted((mask,), f"{mask}: is the mask of a case without images; add them, or take it out.") for mask in alone]


def _image(described: Description, case: Case) -> ImageFiles:
    files = tuple(case.files[number] for number in sorted(case.files))
    kind: Kind = "picture" if files[0].suffix.lower() in PICTURES else "volume"
    return ImageFiles(
        files[0], files, kind, modality=described.modality, channels=described.channels, mask=case.mask, split=case.split
    )  # fmt: skip
