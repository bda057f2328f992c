"""Which file each listed image is: by its path, else by its stem and as many of its folders as it takes. Nothing is guessed."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from labelfree.data.inventory import ending_of
from labelfree.data.label_formats.listed import ListedImage

Key = tuple[str, ...]  # folders and stem


class Images:
    """The images under a root, found by what files of labels call them."""

    def __init__(self, paths: Iterable[Path], root: Path) -> None:
        self._by_stem: dict[str, list[tuple[Key, Path]]] = defaultdict(list)
        for path in paths:
            key = _key(path.relative_to(root).as_posix())
            self._by_stem[key[-1]].append((key, path))

    def candidates(self, name: str) -> list[tuple[int, bool, Path]]:
        """Images of its stem, each with how many folders before it agree, and whether its ending does; the best first."""
        key, ending = _key(name), ending_of(_slashed(name).rpartition("/")[2])
        same = self._by_stem.get(key[-1], [])
        ranked = [(_alike(key, other), ending_of(path.name) == ending, path) for other, path in same]
        return sorted(ranked, key=lambda candidate: (-candidate[0], not candidate[1], candidate[2]))

    def frame(self, number: int) -> list[Path]:
        """Images whose name ends in a number: `frame_000012.png` is frame 12."""
        return [path for same in self._by_stem.values() for _, path in same if _number(path.stem) == number]


def match(listed: Sequence[ListedImage], images: Images) -> tuple[dict[int, Path], list[str]]:
    """Positions of listed images with their files, and sentences on those without one, with several, or with another's.

    A suffix or a folder that is another than the file's is no fault as long as one file alone can be meant.
    """
    files, faults = dict[int, Path](), list[str]()
    ranked: dict[int, list[tuple[int, bool, Path]]] = {}
    for place, image in enumerate(listed):
        paths = images.frame(image.frame) if image.frame is not None else []
        ranked[place] = [(0, True, path) for path in paths] if image.frame is not None else images.candidates(image.name)
    taken: dict[Path, int] = {}
    for place in sorted(ranked, key=lambda place: -max((candidate[0] for candidate in ranked[place]), default=0)):
        free = [candidate for candidate in ranked[place] if candidate[2] not in taken]
        image = listed[place]
        if not ranked[place]:
            faults.append(f"{image.where}: there is no such image; correct its name, or bring the image.")
        elif not free:
            other = listed[taken[ranked[place][0][2]]]
            faults.append(f"{image.where}: its image {ranked[place][0][2].name} is that of {other.where} already; keep one.")
        elif len(free) > 1 and free[0][:2] == free[1][:2]:
            names = ", ".join(sorted(str(candidate[2]) for candidate in free if candidate[:2] == free[0][:2])[:3])
            faults.append(f"{image.where}: fits {names}; name it with its folder.")
        else:
            files[place], taken[free[0][2]] = free[0][2], place
    return files, faults


def _slashed(name: str) -> str:
    return unicodedata.normalize("NFC", name.replace("\\", "/"))


def _key(name: str) -> Key:
    parts = [part for part in _slashed(name).split("/") if part not in ("", ".", "..")]
    if not parts:
        return ("",)
    return (*parts[:-1], parts[-1][: len(parts[-1]) - len(ending_of(parts[-1]))] or parts[-1])


def _alike(key: Key, other: Key) -> int:
    """How many folders right before the stem are the same."""
    count = 0
    for mine, theirs in zip(reversed(key[:-1]), reversed(other[:-1]), strict=False):
        if mine != theirs:
            break
        count += 1
    return count


def _number(stem: str) -> int | None:
    end = re.search(r"(\d+)$", stem)
    return int(end[1]) if end else None
