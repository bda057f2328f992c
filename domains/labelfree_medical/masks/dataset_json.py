"""`dataset.json` of the Medical Segmentation Decathlon (medicaldecathlon.com) and of nnU-Net 1 and 2.

nnU-Net: https://github.com/MIC-DKFZ/nnUNet, documentation/dataset_format.md, region_based_training.md and ignore_label.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelfree.data.label_formats.json_text import read_json_text
from labelfree.errors import DataError
from labelfree_medical.colours import COLOURS
from labelfree_medical.stored import ImageFiles, Untrusted

NAME = "dataset.json"
BACKGROUND = "background"
IGNORED = "ignore"
MODALITIES = {
    "ct": "CT", "mr": "MR", "mri": "MR", "flair": "MR", "t1": "MR", "t1w": "MR", "t1gd": "MR", "t1ce": "MR", "t1c": "MR", "t1n": "MR",
    "t2": "MR", "t2w": "MR", "t2f": "MR", "adc": "MR", "dwi": "MR", "pet": "PT", "pt": "PT", "us": "US", "xray": "DX",
}  # fmt: skip


@dataclass(frozen=True)
class Description:
    """What the file says of its folder.

    `channels`: names in stored order. `classes`: numbers of masks to their names, 0 "background"; `ignore`: the number of what nobody drew.
    `ending`: of images and masks; "" where it does not say. `training`: pairs of image and mask, `test`: images, as it names them.
    `cases`: images (one a channel) and mask of each case, where it lists them as nnU-Net 2 allows. `notes`: sentences for the log.
    """

    file: Path
    channels: tuple[str, ...]
    classes: Mapping[int, str]
    ignore: int | None = None
    ending: str = ""
    training: tuple[tuple[str, str], ...] = ()
    test: tuple[str, ...] = ()
    cases: Mapping[str, tuple[tuple[str, ...], str]] | None = None
    notes: tuple[str, ...] = ()

    @property
    def modality(self) -> str:
        """DICOM's word for it, where the names of all channels tell one."""
        told = {MODALITIES.get(name.lower().replace("-", ""), "") for name in self.channels}
        return told.pop() if len(told) == 1 else ""

    @property
    def root(self) -> Path:
        return self.file.parent


def read_description(file: Path) -> Description | None:
    """None where there is no such file, or one that describes something else. Raises `DataError` naming the key at fault."""
    if not file.is_file():
        return None
    content = read_json_text(file)
    if not isinstance(content, dict) or "labels" not in content or not content.keys() & {"channel_names", "modality"}:
        return None
    classes, ignore, notes = _classes(file, content["labels"])
    return Description(
        file,
        _channels(file, content.get("channel_names", content.get("modality"))),
        classes,
        ignore,
        str(content.get("file_ending", "")),
        tuple(
            (_name_in(file, "training", each, "image"), _name_in(file, "training", each, "label"))
            for each in _list(file, content, "training")
        ),
        tuple(each if isinstance(each, str) else _name_in(file, "test", each, "image") for each in _list(file, content, "test")),
        _cases(file, content.get("dataset")),
        notes,
    )


def notes_on(described: Description, images: Sequence[ImageFiles]) -> tuple[str, ...]:
    """Sentences for the log: how many images have masks, and of which classes."""
    drawn = sum(image.mask is not None for image in images)
    names = ", ".join(name for number, name in described.classes.items() if number and number != described.ignore)
    ignored = "" if described.ignore is None else f"; {described.ignore} is `{IGNORED}`, neither learnt nor scored"
    told = f"{described.file.name}: {drawn:,} of {len(images):,} images have a mask for segmentation ({names}{ignored})."
    return (told, *described.notes)


def missing_files(listed_in: Path, files: list[Path]) -> list[Untrusted]:
    """What to say of files that are listed and not there; nothing where there are none."""
    if not files:
        return []
    some = ", ".join(file.name for file in files[:3]) + (", …" if len(files) > 3 else "")
    many = f"{len(files):,} files that are" if len(files) > 1 else "a file that is"
    return [Untrusted(tuple(files), f"{listed_in}: names {many} not there ({some}); add what is missing, or take it out of the list.")]


def _channels(file: Path, named: object) -> tuple[str, ...]:
    """Names in the order of their numbers."""
    if isinstance(named, dict) and all(str(number).isdecimal() for number in named):
        named = [named[number] for number in sorted(named, key=int)]
    if not isinstance(named, list) or not named:
        raise DataError(f'{file}: channel_names names no channels; write {{"0": "CT"}}, one for each.')
    names = tuple(map(str, named))
    return COLOURS if tuple(name.lower() for name in names) == ("r", "g", "b") else names


def _classes(file: Path, labels: object) -> tuple[dict[int, str], int | None, tuple[str, ...]]:
    """Names by number, the number of what is to be ignored, and a sentence where regions overlap."""
    if not isinstance(labels, dict):
        raise DataError(f'{file}: labels is no table of classes; write {{"background": 0, "liver": 1}}.')
    regions: dict[str, tuple[int, ...]] = {}
    for key, value in labels.items():
        by_number = str(key).isdecimal() and isinstance(value, str)  # the Decathlon and nnU-Net 1
        name, numbers = (str(value), (int(key),)) if by_number else (str(key), _numbers(file, str(key), value))
        regions[name] = (*regions.get(name, ()), *numbers)
    ignored = [numbers[0] for name, numbers in regions.items() if name.lower() == IGNORED and numbers]
    of: dict[int, list[str]] = {}
    for name, numbers in regions.items():
        for number in numbers:
            of.setdefault(number, []).append(name)
    classes = {number: BACKGROUND if number == 0 else " + ".join(names) for number, names in sorted(of.items())}
    classes |= dict.fromkeys(ignored, IGNORED)
    overlapping = ", ".join(dict.fromkeys(name for names in of.values() if len(names) > 1 for name in names))
    note = f"{file.name}: its regions overlap ({overlapping}): what several share is a class named after all of them."
    return classes, ignored[0] if ignored else None, (note,) if overlapping else ()


def _numbers(file: Path, name: str, given: object) -> tuple[int, ...]:
    """The numbers of a class: one, or all those of a region; of what is ignored it may be -1."""
    numbers = given if isinstance(given, list) else [given]
    if name.lower() == IGNORED and str(given) == "-1":
        return (-1,)
    if not numbers or not all(str(number).isdecimal() for number in numbers):
        raise DataError(f"{file}: labels gives {name!r} the number {given!r}; give a whole number, or a list of them for a region.")
    return tuple(map(int, numbers))


def _list(file: Path, content: Mapping[str, Any], key: str) -> list[Any]:
    entries = content.get(key) or []
    if not isinstance(entries, list):
        raise DataError(f"{file}: {key} is no list; export it again.")
    return entries


def _name_in(file: Path, key: str, entry: object, part: str) -> str:
    """The file that an entry names; "" where it names none."""
    if not isinstance(entry, dict):
        raise DataError(f'{file}: {key} holds {entry!r}; write {{"image": "./imagesTr/a.nii.gz", "label": "./labelsTr/a.nii.gz"}}.')
    return str(entry.get(part) or "")


def _cases(file: Path, given: object) -> dict[str, tuple[tuple[str, ...], str]] | None:
    """Cases that nnU-Net 2 finds wherever they lie."""
    if given is None:
        return None
    if not isinstance(given, dict) or not all(isinstance(case, dict) and isinstance(case.get("images"), list) for case in given.values()):
        raise DataError(f'{file}: dataset is no table of cases; write {{"a": {{"images": ["a_0000.nii.gz"], "label": "a.nii.gz"}}}}.')
    return {str(name): (tuple(map(str, case["images"])), str(case.get("label") or "")) for name, case in given.items()}
