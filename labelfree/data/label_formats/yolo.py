"""YOLO's text files: one an image, a row an object, in shares of the picture; names in `data.yaml` or `classes.txt`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from labelfree.data.label_formats.listed import Drawn, ListedImage, Listing
from labelfree.data.label_formats.numbers import finite
from labelfree.data.label_formats.regions import Outline
from labelfree.data.structure import SPLITS
from labelfree.errors import DataError

NAMES = ("classes.txt", "obj.names", "labels.txt", "predefined_classes.txt")
BEYOND = 1e-3  # of the picture's side: what rounding leaves outside
PARTS = ("train", "val", "valid", "test")


@dataclass(frozen=True)
class _Set:
    """Names of classes by number, and the split that each folder of images is, where the file says so."""

    names: Mapping[int, str]
    folders: Mapping[Path, str]


def is_yolo_yaml(content: Any) -> bool:
    """Whether what a YAML file holds is YOLO's."""
    return isinstance(content, dict) and "names" in content and any(key in content for key in (*PARTS, "nc", "path"))


def names_file(folder: Path) -> Path | None:
    """The file that names the classes of a folder of text files, in it or above it."""
    places = [parent / name for parent in (folder, folder.parent) for name in NAMES]
    return next((place for place in places if place.is_file()), None)


def read_yolo_yaml(file: Path, content: Mapping[str, Any], root: Path) -> Listing:
    """The set that a `data.yaml` describes."""
    names = _names(file, content.get("names"))
    base = _base(file, content.get("path"))
    splits = {}
    for part in PARTS:
        for folder in _several(content.get(part)):
            splits[(base / folder).resolve()] = SPLITS[part]
    several = len(set(splits)) > 1
    texts = [text for text in sorted(base.rglob("*.txt")) if _is_labels(text, base)]
    return _listing(file, texts, _Set(names, splits if several else {}), base)


def read_yolo_folder(folder: Path, names: Path) -> Listing:
    """A folder of text files with the file that names the classes, one a line."""
    lines = [line.strip() for line in names.read_text(encoding="utf-8-sig", errors="replace").splitlines()]
    classes = {number: line for number, line in enumerate(lines) if line}
    if not classes:
        raise DataError(f"{names}: names no class; write one a line, that of number 0 first.")
    texts = [text for text in sorted(folder.rglob("*.txt")) if text.name not in NAMES]
    return _listing(names, texts, _Set(classes, {}), folder)


def _names(file: Path, given: Any) -> dict[int, str]:
    """Names by number, of a list or of numbers and names."""
    if isinstance(given, Mapping):
        pairs = {finite(str(key)): str(name) for key, name in given.items()}
        if None in pairs:
            raise DataError(f"{file}: names has a key that is no number; write `0: name`.")
        return {int(key): name for key, name in pairs.items() if key is not None}
    if isinstance(given, Sequence) and not isinstance(given, str):
        return dict(enumerate(map(str, given)))
    raise DataError(f"{file}: names is neither a list nor numbers and names; write `names: [scratch, pit]`.")


def _base(file: Path, given: Any) -> Path:
    """The folder that a set's paths begin in: where the file lies, if the one it names is that of another computer."""
    named = file.parent / str(given) if given else file.parent
    return named if named.is_dir() else file.parent


def _several(given: Any) -> list[str]:
    return [str(given)] if isinstance(given, str) else [str(entry) for entry in given] if isinstance(given, Sequence) else []


def _is_labels(text: Path, base: Path) -> bool:
    """Whether a text file lies in a folder `labels`, or beside an image of its name."""
    if "labels" in text.relative_to(base).parts[:-1]:
        return True
    return text.name not in NAMES and any(
        path != text and path.suffix.lower() != ".txt" for path in text.parent.glob(f"{_escaped(text.stem)}.*")
    )


def _escaped(name: str) -> str:
    import glob

    return glob.escape(name)


def _listing(source: Path, texts: Sequence[Path], of: _Set, base: Path) -> Listing:
    listed = [_image(text, of, base, source) for text in texts]
    ids = {name: number for number, name in of.names.items()}
    return Listing("YOLO", listed, ids, tuple(sorted(ids)))


def _image(text: Path, of: _Set, base: Path, source: Path) -> ListedImage:
    name = "/".join("images" if part == "labels" else part for part in text.relative_to(base).parts)
    image = ListedImage(name, text.relative_to(base).as_posix(), fractions=True, split=_split(text, base, of.folders))
    lines = text.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    for place, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            image.drawn.append(_object(line.split(), f"line {place}", of.names, source))
        except ValueError as error:
            image.faulty.append(f"line {place} {error}")
    return image


def _split(text: Path, base: Path, folders: Mapping[Path, str]) -> str:
    """That of the folder of images which the text file's folder mirrors."""
    mirrored = [base, *(base / Path(*("images" if part == "labels" else part for part in text.relative_to(base).parts[:depth]))
                        for depth in range(1, len(text.relative_to(base).parts)))]  # fmt: skip
    return next((folders[folder.resolve()] for folder in reversed(mirrored) if folder.resolve() in folders), "")


def _object(words: Sequence[str], where: str, names: Mapping[int, str], source: Path) -> Drawn:
    """One row: class, middle and size; or class and the corners of a polygon. Raises `ValueError` with the end of a sentence."""
    numbers = [finite(word) for word in words]
    if None in numbers:
        raise ValueError(f"holds {words[numbers.index(None)]!r}, which is no number")
    values = [number for number in numbers if number is not None]
    if values[0] != int(values[0]) or int(values[0]) not in names:
        raise ValueError(f"is of class {words[0]}, which {source.name} does not name")
    name, coordinates = names[int(values[0])], np.array(values[1:])
    if len(values) == 6:
        raise ValueError(
            "holds six numbers: a prediction with its score, or half a corner; a box has five, a polygon seven or more, an odd number"
        )
    if len(values) != 5 and (len(values) < 7 or len(values) % 2 == 0):
        raise ValueError(f"holds {len(values)} numbers; a box has five, a polygon seven or more, an odd number")
    if coordinates.max() > 1 + BEYOND or coordinates.min() < -BEYOND:
        raise ValueError("gives pixels where shares of the picture's width and height are meant, or leaves the picture")
    if len(values) == 5:
        x, y, width, height = coordinates
        x0, y0, x1, y1 = x - width / 2, y - height / 2, x + width / 2, y + height / 2
        return Drawn(name, (float(x0), float(y0), float(x1), float(y1)), where)
    region = Outline((coordinates.reshape(-1, 2),))
    return Drawn(name, region.box, where, region=region)
