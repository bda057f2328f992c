"""Which file each listed image is: by its path, else by its stem and as many of its folders as it takes. Nothing is guessed."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from labelfree.data.label_formats.listed import ListedImage
from labelfree.data.structure import ending_of
from labelfree.samples import Row

Key = tuple[str, ...]  # folders and stem


class Candidate(NamedTuple):
    """A file that a listed image may be. `closeness`: whether the path is the same, how many folders are, whether the ending is."""

    closeness: tuple[bool, int, bool]
    path: Path


class Images:
    """The images under a root, found by what files of labels call them."""

    def __init__(self, paths: Iterable[Path], root: Path) -> None:
        self._by_key: dict[Key, list[Path]] = defaultdict(list)
        self._by_tail: dict[Key, list[Path]] = defaultdict(list)  # the stem with any number of folders right before it
        self._by_number: dict[int, list[Path]] = defaultdict(list)
        self._folders_of: dict[Path, frozenset[str]] = {}
        for path in paths:
            key = _key(path.relative_to(root).as_posix())
            self._by_key[key].append(path)
            self._folders_of[path] = frozenset(key[:-1])
            for start in range(len(key)):
                self._by_tail[key[start:]].append(path)
            if end := re.search(r"[0-9]+$", path.stem):
                self._by_number[int(end[0])].append(path)
        self._folders = frozenset[str]().union(*self._folders_of.values())

    def closest(self, image: ListedImage) -> list[Candidate]:
        """The files that it may be, those alone than which none is closer. A frame of a video: files whose name ends in its number."""
        if image.frame is not None:
            return [Candidate((True, 0, True), path) for path in self._by_number.get(image.frame, ())]
        return self._named(image.name) or self._named(image.other_name)

    def _named(self, name: str) -> list[Candidate]:
        key, ending = _key(name), ending_of(_slashed(name).rpartition("/")[2])
        tail = next((key[start:] for start in range(len(key)) if key[start:] in self._by_tail), ())
        known = self._folders.intersection(key[: len(key) - len(tail)])  # folders that hold images: one in another is not meant
        found = self._by_key.get(key) or [path for path in self._by_tail.get(tail, ()) if known <= self._folders_of[path]]
        alike = [path for path in found if ending_of(path.name) == ending]
        return [Candidate((key in self._by_key, len(tail), bool(alike)), path) for path in alike or found]


def match(listed: Sequence[ListedImage], images: Images) -> tuple[dict[int, Path], list[str]]:
    """Positions of listed images with their files, and sentences on those without one, with several, or with another's.

    A suffix or a folder that is another than the file's is no fault as long as one file alone can be meant. The order plays no part.
    A frame of a video that nobody drew on and that is no file was not taken out of it, which is no fault either.
    """
    files, faults = dict[int, Path](), list[str]()
    claims: dict[Path, list[tuple[tuple[bool, int, bool], int]]] = defaultdict(list)
    for place, image in enumerate(listed):
        closest = images.closest(image)
        if len(closest) == 1:
            claims[closest[0].path].append((closest[0].closeness, place))
        elif closest:
            names = ", ".join(sorted(str(candidate.path) for candidate in closest)[:3])
            faults.append(f"{image.where}: fits {names}; name it with its folder.")
        elif image.frame is None or image.drawn:
            faults.append(f"{image.where}: there is no such image; correct its name, or bring the image.")
    for path, claimed in claims.items():
        best = max(closeness for closeness, _ in claimed)
        winners = [place for closeness, place in claimed if closeness == best]
        if len(winners) > 1:
            shown = [listed[place].where for place in winners[:3]] + [f"{len(winners) - 3:,} more"] * (len(winners) > 3)
            several = f"{', '.join(shown[:-1])} and {shown[-1]}"
            faults.append(f"{several}: each may be {path.name}; keep one, or name each with its folder.")
            continue
        files[winners[0]] = path
        faults += [
            f"{listed[place].where}: its image {path.name} is that of {listed[winners[0]].where} already; keep one."
            for closeness, place in claimed
            if closeness != best
        ]
    return files, faults


def match_rows(listed: Sequence[ListedImage], rows: Iterable[Row], root: Path) -> tuple[dict[int, Path], list[str]]:
    """As `match`, among images of a manifest: by their whole path wherever they lie, else those under the root by `Images`."""
    paths = dict.fromkeys(row.path for row in rows)
    whole = {place: path for place, image in enumerate(listed) if (path := Path(_slashed(image.name))).is_absolute() and path in paths}
    others = [place for place in range(len(listed)) if place not in whole]
    left = dict.fromkeys(path for path in paths if path.is_relative_to(root) and path not in whole.values())
    files, faults = match([listed[place] for place in others], Images(left, root))
    return {**whole, **{others[place]: path for place, path in files.items()}}, faults


def same_stem(written: str, file: Path) -> bool:
    """Whether the name of an image that a file of labels holds is the file's own, whatever its folder and its suffix are."""
    stem = unicodedata.normalize("NFC", file.stem)
    return stem in (_key(written)[-1], _slashed(written).rpartition("/")[2])


def _slashed(name: str) -> str:
    return unicodedata.normalize("NFC", name.replace("\\", "/"))


def _key(name: str) -> Key:
    parts = [part for part in _slashed(name).split("/") if part not in ("", ".", "..")]
    if not parts:
        return ("",)
    return (*parts[:-1], parts[-1][: len(parts[-1]) - len(ending_of(parts[-1]))] or parts[-1])
