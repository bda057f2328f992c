"""Segments of one file, each with a name: layers that may overlap become one number a voxel.

What several segments share is a class of its own, named after all of them ("lesion + liver"): nothing of what was drawn is lost, and
nobody has to say which of two segments lies above the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np

from labelfree.data.masks import mapped
from labelfree.errors import DataError
from labelfree_medical.masks.grids import Grid

BETWEEN = " + "  # the names of segments that share a voxel


@dataclass(frozen=True)
class Segment:
    """`number`: as its file counts it, `name`: what it shows. Its voxels have this `value` in this `layer`."""

    number: int
    name: str
    layer: int
    value: int


@dataclass(frozen=True)
class Segments:
    """`layers`: (L, *spatial) int32, as the file holds them."""

    layers: np.ndarray
    each: tuple[Segment, ...]
    grid: Grid

    @property
    def names(self) -> Names:
        """Of the segments, and of what they share."""
        where = self._overlap()
        shared = {_together(names) for names in self._sets(where)[0] if len(names) > 1} if where.any() else ()
        return Names({segment.number: segment.name for segment in self.each}, frozenset(shared))

    def numbered(self, path: Path, numbers: Mapping[str, int]) -> np.ndarray:
        """(*spatial) int32 by the numbers of names, 0 where no segment is. Raises `DataError` for a name without one."""
        shown = np.zeros(self.layers.shape[1:], np.int32)
        for layer, values in enumerate(self.layers):
            names = {segment.value: segment.name for segment in self.each if segment.layer == layer}
            here = mapped(values, lambda value: _number(path, names[value], numbers) if value in names else 0)  # noqa: B023  # asked at once
            shown = np.where(here > 0, here, shown)
        where = self._overlap()
        if where.any():
            sets, which = self._sets(where)
            shown[where] = np.array([_number(path, _together(names), numbers) for names in sets], np.int32)[which]
        return shown

    def _overlap(self) -> np.ndarray:
        """(*spatial) bool: voxels of more than one segment."""
        seen, twice = np.zeros((2, *self.layers.shape[1:]), bool)
        if len(self.layers) == 1:
            return twice
        for layer in range(len(self.layers)):
            values = [segment.value for segment in self.each if segment.layer == layer]
            here = np.isin(self.layers[layer], values)
            twice |= seen & here
            seen |= here
        return twice

    def _sets(self, where: np.ndarray) -> tuple[list[frozenset[str]], np.ndarray]:
        """The sets of names that share voxels, and which of them each voxel of `where` has."""
        names = {(segment.layer, segment.value): segment.name for segment in self.each}
        found, which = np.unique(self.layers[:, where], axis=1, return_inverse=True)
        sets = [frozenset(filter(None, map(names.get, enumerate(map(int, values))))) for values in found.T]
        return sets, which.reshape(-1)


@dataclass(frozen=True)
class Names:
    """What one file calls its segments, by number, and what several of them share."""

    segments: Mapping[int, str]
    shared: frozenset[str] = frozenset()


def class_numbers(files: Iterable[Names]) -> dict[int, str]:
    """The classes of a set whose files each name their segments: the files' own numbers where all agree, else counted from 1 by name.

    What segments share follows, by name.
    """
    pairs, shared = set[tuple[int, str]](), set[str]()
    for each in files:
        pairs |= set(each.segments.items())
        shared |= each.shared
    names = sorted({name for _, name in pairs})
    agreed = len(pairs) == len(names) == len({number for number, _ in pairs}) and all(number > 0 for number, _ in pairs)
    numbers = dict(sorted(pairs)) if agreed else dict(enumerate(names, start=1))
    return numbers | dict(zip(count(max(numbers, default=0) + 1), sorted(shared - set(names)), strict=False))


def _together(names: Iterable[str]) -> str:
    return BETWEEN.join(sorted(names))


def _number(path: Path, name: str, numbers: Mapping[str, int]) -> int:
    if name not in numbers:
        raise DataError(f"{path}: holds a segment {name!r}, which is none of the classes ({', '.join(numbers)}); name it as one of them.")
    return numbers[name]
