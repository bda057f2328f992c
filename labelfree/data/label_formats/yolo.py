"""YOLO's text files: one an image, a row an object, in shares of the picture; names in `data.yaml` or `classes.txt`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from labelfree.data.label_formats.listed import Drawn, ListedImage, Listing
from labelfree.data.label_formats.matching import Images
from labelfree.data.label_formats.numbers import finite
from labelfree.data.label_formats.regions import Outline
from labelfree.data.structure import SPLITS
from labelfree.errors import DataError

NAMES = ("classes.txt", "obj.names", "labels.txt", "predefined_classes.txt")
LISTS = ("train.txt", "val.txt", "valid.txt", "test.txt", "readme.txt")  # of images, or for people
BEYOND = 1e-3  # of the picture's side: what rounding leaves outside
PARTS = ("train", "val", "valid", "test")
MOST_LOOKED_AT = 2**16  # bytes of a text that tell whether its rows are numbers


@dataclass(frozen=True)
class _Set:
    """Names of classes by number, and the split that each folder of images is (or each text file's image), where the file says so.

    `key_points`: how many numbers of key points follow each box.
    """

    names: Mapping[int, str]
    folders: Mapping[Path, str] = field(default_factory=dict)
    texts: Mapping[Path, str] = field(default_factory=dict)
    key_points: int = 0


def is_yolo_yaml(content: Any) -> bool:
    """Whether what a YAML file holds is YOLO's."""
    return isinstance(content, dict) and "names" in content and any(key in content for key in (*PARTS, "nc", "path"))


def names_file(folder: Path) -> Path | None:
    """The file that names the classes of a folder of text files, in it or above it."""
    places = [parent / name for parent in (folder, folder.parent) for name in NAMES]
    return next((place for place in places if place.is_file()), None)


def read_yolo_yaml(file: Path, content: Mapping[str, Any], root: Path) -> Listing:
    """The set that a `data.yaml` describes. `root`: where images lie, if they lie elsewhere than the file."""
    names, base = _names(file, content.get("names")), _base(file, content, root)
    found = [(_found(base, folder), SPLITS[part]) for part in PARTS for folder in _several(content.get(part))]
    folders = {place.resolve(): split for place, split in found if place is not None and place.is_dir()}
    lists = {
        place.resolve(): (place, split)
        for place, split in found
        if place is not None and place.suffix.lower() == ".txt" and place.is_file()
    }
    inside = [path for path in sorted(base.rglob("*")) if not path.name.startswith(".")]
    beside = {(path.parent, path.stem) for path in inside if path.suffix.lower() not in ("", ".txt")}
    texts = [
        path
        for path in inside
        if is_text_of_labels(path)
        and path.resolve() not in lists
        and ("labels" in path.relative_to(base).parts[:-1] or (path.parent, path.stem) in beside)
    ]
    listed, notes = _of_lists(list(lists.values()), texts, base)
    several = len({*folders.values(), *listed.values()}) > 1
    of = _Set(names, folders if several else {}, listed if several else {}, _key_points(file, content.get("kpt_shape")))
    return _listing(file, texts, of, base, notes)


def _of_lists(lists: Sequence[tuple[Path, str]], texts: Sequence[Path], base: Path) -> tuple[dict[Path, str], list[str]]:
    """The split of each text file whose image stands in a list of images, one path a line; and sentences on lists that name none.

    Paths may be those of another computer: as many of their last folders as lead to one file count. Raises `DataError` naming the line
    that may mean several, or whose image another list gives to another split.
    """
    of_image = {base / _image_name(text, base): text for text in texts}
    images, splits, notes = Images(of_image, base), dict[Path, str](), list[str]()
    for file, split in lists:
        fitting = 0
        for place, line in enumerate(_lines(file), start=1):
            closest = images.closest(ListedImage(line.strip(), "")) if line.strip() else []
            where = f"{file.name} line {place} ({line.strip()})"
            if len(closest) > 1:
                several = " and ".join(sorted(of_image[candidate.path].relative_to(base).as_posix() for candidate in closest)[:2])
                raise DataError(f"{where}: its labels may be {several}; write the image with its folder.")
            for candidate in closest:
                fitting += 1
                text = of_image[candidate.path]
                if splits.setdefault(text, split) != split:
                    raise DataError(f"{where}: is in the list of {splits[text]} already; keep it in one.")
        if not fitting:
            notes.append(f"{file.name}: no image in it has a text file of labels, so that it says nothing of splits.")
    return splits, notes


def read_yolo_folder(folder: Path, names: Path) -> Listing:
    """A folder of text files with the file that names the classes, one a line."""
    classes = {number: line.strip() for number, line in enumerate(_lines(names)) if line.strip()}
    if not classes:
        raise DataError(f"{names}: names no class; write one a line, that of number 0 first.")
    texts = [path for path in sorted(folder.rglob("*")) if is_text_of_labels(path) and holds_numbers(path)]
    return _listing(names, texts, _Set(_apart(names, classes)), folder)


def is_text_of_labels(path: Path) -> bool:
    """Whether a file may be one of YOLO's, by its name."""
    return path.suffix.lower() == ".txt" and path.name.lower() not in (*NAMES, *LISTS) and path.is_file()


def holds_numbers(text: Path) -> bool:
    """Whether at least half of the words in a text file are numbers: rows of labels, faulty ones too, and no README. An empty file may be.

    One that cannot be opened is left to who reads it.
    """
    try:
        with text.open(encoding="utf-8-sig", errors="replace") as stream:
            words = stream.read(MOST_LOOKED_AT).split()
    except OSError:
        return True
    return 2 * sum(finite(word) is not None for word in words) >= len(words)


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror}); make it readable, or take it out.") from error


def _names(file: Path, given: Any) -> dict[int, str]:
    """Names by number, of a list or of numbers and names."""
    if isinstance(given, Mapping):
        pairs = {finite(str(key)): name for key, name in given.items()}
        numbered = {int(key): name for key, name in pairs.items() if key is not None and key == int(key)}
        if len(numbered) < len(given):
            raise DataError(f"{file}: names has a key that is no number of its own; write `0: scratch`.")
    elif isinstance(given, Sequence) and not isinstance(given, str):
        numbered = dict(enumerate(given))
    else:
        raise DataError(f"{file}: names is neither a list nor numbers and names; write `names: [scratch, pit]`.")
    if odd := [name for name in numbered.values() if not isinstance(name, str | int | float) or isinstance(name, bool)]:
        raise DataError(f"{file}: YAML reads a name of a class as {odd[0]!r}; put it in quotes.")  # no, off and yes among them
    return _apart(file, {number: str(name).strip() for number, name in numbered.items()})


def _apart(file: Path, names: dict[int, str]) -> dict[int, str]:
    """Themselves. Raises `DataError` for a name that two classes bear."""
    if twice := [name for name, count in Counter(names.values()).items() if count > 1]:
        raise DataError(f"{file}: two classes are called {twice[0]!r}; rename or join them.")
    return names


def _key_points(file: Path, shape: Any) -> int:
    """How many numbers stand behind each box, for a set of skeletons."""
    if shape is None:
        return 0
    if not (isinstance(shape, Sequence) and len(shape) == 2 and all(isinstance(part, int) and part > 0 for part in shape)):
        raise DataError(f"{file}: kpt_shape is not two numbers, of points and of numbers a point; write `kpt_shape: [17, 3]`.")
    return int(shape[0] * shape[1])


def _base(file: Path, content: Mapping[str, Any], root: Path) -> Path:
    """Where paths of a set begin: in the folder it names, unless that is of another computer; else where the file or the images lie."""
    folders = [folder for part in PARTS for folder in _several(content.get(part))]
    places = [file.parent / str(content.get("path") or ""), file.parent, root]
    return next((place for place in places if any(_found(place, folder) for folder in folders)), file.parent)


def _found(base: Path, named: str) -> Path | None:
    """A folder of images, if it is there: some tools write ../train/images for train/images."""
    try:
        return next((place for place in (base / named, base / named.removeprefix("../")) if place.exists()), None)
    except OSError:  # a name that no file can have
        return None


def _several(given: Any) -> list[str]:
    return [str(given)] if isinstance(given, str) else [str(entry) for entry in given] if isinstance(given, Sequence) else []


def _listing(source: Path, texts: Sequence[Path], of: _Set, base: Path, notes: Sequence[str] = ()) -> Listing:
    if not texts:
        raise DataError(f"{source}: no text files of labels lie in {base}; bring its folders `images` and `labels`.")
    listed = [_image(text, of, base, source) for text in texts]
    ids = {name: number for number, name in of.names.items()}
    boxed = [f"{source.name}: boxes are read, key points are not."] if of.key_points else []
    return Listing("YOLO", listed, ids, tuple(sorted(ids)), notes=[*boxed, *notes])


def _image(text: Path, of: _Set, base: Path, source: Path) -> ListedImage:
    split = of.texts.get(text) or _split(text, base, of.folders)
    image = ListedImage(_image_name(text, base), text.relative_to(base).as_posix(), fractions=True, split=split)
    for place, line in enumerate(_lines(text), start=1):
        if not line.strip():
            continue
        try:
            image.drawn.append(_object(line.split(), f"line {place}", of, source))
        except ValueError as error:
            image.faulty.append(f"line {place} {error}")
    return image


def _image_name(text: Path, base: Path) -> str:
    """The path of an image but for its ending: below `images` lies what `labels` mirrors."""
    return "/".join("images" if part == "labels" else part for part in text.relative_to(base).parts)


def _split(text: Path, base: Path, folders: Mapping[Path, str]) -> str:
    """That of the folder of images which the text file's folder mirrors."""
    mirrored = [base, *(base / Path(*("images" if part == "labels" else part for part in text.relative_to(base).parts[:depth]))
                        for depth in range(1, len(text.relative_to(base).parts)))]  # fmt: skip
    return next((folders[folder.resolve()] for folder in reversed(mirrored) if folder.resolve() in folders), "")


def _object(words: Sequence[str], where: str, of: _Set, source: Path) -> Drawn:
    """One row: class, middle and size; or class and the corners of a polygon. Raises `ValueError` with the end of a sentence."""
    numbers = [finite(word) for word in words]
    if None in numbers:
        raise ValueError(f"holds {words[numbers.index(None)]!r}, which is no number")
    values = [number for number in numbers if number is not None]
    if values[0] != int(values[0]) or int(values[0]) not in of.names:
        raise ValueError(f"is of class {words[0]}, which {source.name} does not name")
    if of.key_points:
        values = _boxed(values, of.key_points)
    name, coordinates = of.names[int(values[0])], np.array(values[1:])
    if len(values) == 6:
        raise ValueError(
            "holds six numbers: a prediction with its score, or half a corner; a box has five, a polygon seven or more, an odd number"
        )
    if len(values) != 5 and (len(values) < 7 or len(values) % 2 == 0):
        raise ValueError(f"holds {len(values)} numbers; a box has five, a polygon seven or more, an odd number")
    if len(values) == 5 and min(coordinates[2:]) < 0:
        raise ValueError("has a negative width or height")
    if coordinates.max() > 1 + BEYOND or coordinates.min() < -BEYOND:
        raise ValueError("gives pixels where shares of the picture's width and height are meant, or leaves the picture")
    where = f"{where} ({name})"
    if len(values) == 5:
        x, y, width, height = coordinates.tolist()
        return Drawn(name, (x - width / 2, y - height / 2, x + width / 2, y + height / 2), where)
    region = Outline((coordinates.reshape(-1, 2),))
    return Drawn(name, region.box, where, region=region)


def _boxed(values: list[float], key_points: int) -> list[float]:
    """The first five numbers, before those of the key points."""
    if len(values) != 5 + key_points:
        raise ValueError(f"holds {len(values)} numbers; a box with its key points has {5 + key_points}")
    return values[:5]
