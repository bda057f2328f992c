"""Parts of a series: what was taken together, apart from what merely carries the same SeriesInstanceUID."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from labelfree_medical.dicom.slices import KINDS, LOCATION, OCCASIONS, Slice
from labelfree_medical.dicom.volumes import SAME_DIRECTION, SHARE, Grid, Unsound, grid_of

SAME_SIZE = 1e-3  # share that spacings may differ by: they are rounded, too
ONE_PLACE = 0.02  # mm
FAR = 10  # slices between two stacks of one series that are no gap any more
LEAST = 3  # slices of a part that a gap, and nothing else, sets apart
ALONG = ("sagittal", "coronal", "axial")  # slices whose normal is nearest to the left, the back, the head
PLANES = set(ALONG)
UNITS = {"echo": "echo {} ms", "b": "b {}", "kernel": "kernel {}", "time": "time {}", "trigger": "trigger {} ms"}


@dataclass(frozen=True)
class Part:
    """Slices that belong together, in order. `grid`: of a volume; None: one picture, or `fault` says what is wrong.

    `name`: what tells it from other parts of its series, as in "axial, b 1000"; "" where there is no other. `lone`: one slice beside a
    volume, with what it is, as in "one coronal slice among axial ones"; "" else.
    """

    slices: tuple[Slice, ...]
    name: str = ""
    grid: Grid | None = None
    fault: str = ""
    lone: str = ""


def parts_of(slices: Sequence[Slice]) -> list[Part]:
    """The volumes and pictures of a series, all slices placed. No two parts share a slice.

    A part of its own is what differs in orientation, size, kernel, echo, b value, time or kV; what else differs (acquisition, trigger, kind
    of image, folder) parts it only where positions repeat, or where each part is a regular stack and the whole is not.
    """
    planes = _planes(slices)
    several = len(planes) > 1
    parts: list[Part] = []
    for plane in planes:
        name = plane_name(plane[0]) if several else ""
        parts += [Part(part.slices, ", ".join(filter(None, (name, part.name))), part.grid, part.fault) for part in _split(plane)]
    stacks = [part for part in parts if len(part.slices) > 1]
    if not stacks:
        return parts
    return [part if len(part.slices) > 1 else Part(part.slices, part.name, lone=_lone(part, stacks)) for part in parts]


def plane_name(of: Slice) -> str:
    """axial, coronal or sagittal, by the axis that is nearest to the normal of a slice."""
    assert of.orientation is not None
    normal = np.cross(of.orientation[:3], of.orientation[3:])
    return ALONG[int(np.abs(normal).argmax())]


def _lone(part: Part, stacks: Sequence[Part]) -> str:
    mine, theirs = plane_name(part.slices[0]), {plane_name(stack.slices[0]) for stack in stacks}
    if theirs != {mine}:
        return f"one {mine} slice (another orientation) among {' and '.join(sorted(theirs))} ones"
    sizes = {(stack.slices[0].rows, stack.slices[0].columns) for stack in stacks}
    if (part.slices[0].rows, part.slices[0].columns) not in sizes:
        return "one slice of another size than the others of its series"
    return f"one slice apart from the others of its series{f' ({part.name})' if part.name else ''}"


def _planes(slices: Sequence[Slice]) -> list[list[Slice]]:
    """Slices by size, pixel spacing and orientation, within rounding, the largest first."""
    groups: list[list[Slice]] = []
    for each in slices:
        for group in groups:
            if _same_plane(group[0], each):
                group.append(each)
                break
        else:
            groups.append([each])
    return sorted(groups, key=len, reverse=True)


def _same_plane(one: Slice, other: Slice) -> bool:
    if (one.rows, one.columns) != (other.rows, other.columns) or (one.spacing is None) != (other.spacing is None):
        return False
    sizes = zip(one.spacing or (), other.spacing or (), strict=True)
    directions = zip(one.orientation or (), other.orientation or (), strict=True)
    return all(abs(a - b) <= SAME_SIZE * b for a, b in sizes) and all(abs(a - b) <= SAME_DIRECTION for a, b in directions)


def _split(slices: Sequence[Slice]) -> list[Part]:
    """Parts of slices of one plane."""
    if len(slices) == 1:
        return [Part(tuple(slices))]
    for mark in KINDS:
        groups = _by(slices, mark)
        if len(groups) > 1 and 2 * len(groups) <= len(slices) + 1:  # what differs in every slice is no kind of image
            return [_named(part, mark, value) for value, group in groups for part in _split(group)]
    if _at_one_place(slices):
        fault = _no_cine(slices)
        return [Part(tuple(slices), fault=fault)] if fault else [Part((each,)) for each in slices]
    whole = _stack(slices)
    if whole.grid is not None:
        return [whole]
    repeated = _most_at_one_place(slices)
    better: list[Part] | None = None
    for mark in OCCASIONS:
        groups = _by(slices, mark)
        if len(groups) == 1:
            continue
        parts = [_named(_stack(group), mark, value) for value, group in groups]
        if _all_stacks(parts, repeated > 1):
            return parts
        most = max(_most_at_one_place(group) for _, group in groups)
        if better is None and repeated > most and all(len(group) > 1 for _, group in groups):
            better = [_named(part, mark, value) for value, group in groups for part in _split(group)]
    return better or [whole]


def _all_stacks(parts: Sequence[Part], repeated: bool) -> bool:
    """Whether parts are regular stacks; where positions repeat a few of them may be single slices, else a gap alone sets them apart."""
    least = 2 if repeated else LEAST
    singles = sum(len(part.slices) == 1 for part in parts)
    sound = all(len(part.slices) == 1 or (part.grid is not None and len(part.slices) >= least) for part in parts)
    return sound and (singles <= len(parts) - singles if repeated else _far_apart([part.grid for part in parts if part.grid is not None]))


def _far_apart(grids: Sequence[Grid]) -> bool:
    """Whether stacks are more than one that has lost slices: they overlap, have spacings of their own, or lie many slices apart."""
    ends = []
    for grid in grids:
        step, first = grid.affine[:3, 0], grid.affine[:3, 3] @ grid.affine[:3, 0] / grid.spacing[0]
        ends.append((float(first), float(first + np.linalg.norm(step) * (len(grid.order) - 1)), grid.spacing[0]))
    for (_, end, spacing), (start, _, other) in pairwise(sorted(ends)):
        if 0 < start - end < FAR * spacing and abs(spacing - other) <= SHARE * spacing:
            return False
    return True


def _named(part: Part, mark: str, value: str) -> Part:
    said = "" if mark in ("folder", "description") else UNITS.get(mark, f"{mark} {{}}").format(value or "unknown")
    return Part(part.slices, ", ".join(filter(None, (said, part.name))), part.grid, part.fault, part.lone)


def _stack(slices: Sequence[Slice]) -> Part:
    if len(slices) == 1:
        return Part(tuple(slices))
    try:
        grid = grid_of(slices)
    except Unsound as why:
        return Part(tuple(slices), fault=str(why))
    return Part(tuple(slices[number] for number in grid.order), grid=grid)


def _by(slices: Sequence[Slice], mark: str) -> list[tuple[str, list[Slice]]]:
    """Slices by a mark, in order of its values: numbers as numbers."""
    groups: dict[str, list[Slice]] = {}
    for each in slices:
        groups.setdefault(each.mark(mark), []).append(each)
    return sorted(groups.items(), key=lambda group: _rank(group[0]))


def _rank(value: str) -> tuple[bool, float, str]:
    try:
        return False, float(value), value
    except ValueError:
        return True, 0.0, value


def _no_cine(slices: Sequence[Slice]) -> str:
    """What is wrong with slices that all lie at one place; "" where they are pictures of one place at other times."""
    if len({each.mark(LOCATION) for each in slices}) > 1:
        return "all say that they lie at one place (ImagePositionPatient), and SliceLocation says otherwise"
    told = any(len({each.mark(mark) for each in slices}) > 1 for mark in (*KINDS, *OCCASIONS))
    return "" if told else "all lie at one place, and nothing in the headers tells them apart"


def _at_one_place(slices: Sequence[Slice]) -> bool:
    places = np.array([each.position for each in slices])
    return bool(np.abs(places - places[0]).max() < ONE_PLACE)


def _most_at_one_place(slices: Sequence[Slice]) -> int:
    """How many slices lie at the place where most lie."""
    places = np.round(np.array([each.position for each in slices]) / ONE_PLACE / 2)
    return int(np.unique(places, axis=0, return_counts=True)[1].max())
