"""Volumes: slices ordered by their positions, and what keeps a stack from being one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from labelfree_medical.dicom.slices import Slice

SAME_DIRECTION = 1e-3  # of cosines: scanners round them
SHARE = 0.01  # of the distance of slices that their distances may differ by …
ROUNDED = 0.02  # … or mm, since positions are often written with two decimals
COARSEST = 1  # decimals at least that positions are rounded to: whole mm are taken as they stand
PER_DIGIT = 4  # last digits that slices are apart at least for their rounding to be one: a lost slice shows then even among three
TILT = 1.0  # degrees between the way from slice to slice and the slices' normal
BROKEN = 1e-2  # of the length of directions, and of the cosine of their angle
TO_RAS = np.diag([-1.0, -1.0, 1.0])  # DICOM counts mm to the left and to the back


class Unsound(Exception):
    """Slices that make no volume; the text says why, as in "a slice is missing between 35 and 40 mm"."""


@dataclass(frozen=True)
class Grid:
    """A stack in order. `order`: slices' numbers from first to last. `affine`: (4, 4), (slice, row, column, 1) to mm in RAS+.

    `spacing`: mm between slices, rows and columns.
    """

    order: tuple[int, ...]
    affine: np.ndarray
    spacing: tuple[float, float, float]


def grid_of(slices: Sequence[Slice]) -> Grid:
    """The grid of two or more placed slices of one orientation and size. Raises `Unsound` where they make none.

    Slices are ordered along their normal; instance numbers, names and SliceLocation count for nothing, nor does SliceThickness.
    """
    right, down, normal = directions_of(slices)
    spacing = slices[0].spacing
    if spacing is None:
        raise Unsound("its pixels have no size (PixelSpacing is missing)")
    places = np.array([each.position for each in slices])
    along = places @ normal
    order = np.argsort(along, kind="stable")
    rounding = _rounding(places)
    _require_regular(along[order], float(np.abs(normal) @ rounding))
    first, count = places[order[0]], len(slices)
    step = (places[order[-1]] - first) / (count - 1)
    distance = float(step @ normal)
    sideways = float(np.linalg.norm(step - distance * normal))
    if _degrees(sideways - 2 * float(np.linalg.norm(rounding)) / (count - 1), distance) > TILT:
        tilt = _degrees(sideways, distance)
        raise Unsound(f"its slices lean by {tilt:.1f}° against their normal (a tilted gantry); straighten them with dcm2niix first")
    aside = places[order] - first - np.arange(count)[:, None] * step
    aside -= (aside @ normal)[:, None] * normal
    if np.linalg.norm(aside, axis=1).max() > min(spacing) / 2:
        raise Unsound("its slices are shifted sideways against each other")
    affine = np.eye(4)
    affine[:3] = TO_RAS @ np.stack([step, down * spacing[0], right * spacing[1], first], axis=1)
    return Grid(tuple(int(number) for number in order), affine, (float(np.linalg.norm(step)), spacing[0], spacing[1]))


def directions_of(slices: Sequence[Slice]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit vectors along a row, down a column and from slice to slice, the means of all slices. Raises `Unsound` for broken ones."""
    mean = np.array([each.orientation for each in slices]).mean(axis=0)
    right, down = mean[:3], mean[3:]
    lengths = np.linalg.norm(right), np.linalg.norm(down)
    if max(abs(length - 1) for length in lengths) > BROKEN or abs(right @ down) > BROKEN:
        raise Unsound("its orientation is broken (ImageOrientationPatient holds no two directions at a right angle)")
    right = right / lengths[0]
    down = down - (down @ right) * right
    down = down / np.linalg.norm(down)
    return right, down, np.cross(right, down)


def _rounding(places: np.ndarray) -> np.ndarray:
    """(3,) mm that positions (n, 3) may be off along each axis by the decimals that they are written with."""
    return np.array([10.0 ** -max(COARSEST, *map(_decimals, axis)) / 2 for axis in places.T.tolist()])


def _decimals(number: float) -> int:
    exponent = Decimal(repr(number)).normalize().as_tuple().exponent
    assert isinstance(exponent, int)
    return -exponent


def _require_regular(along: np.ndarray, rounding: float) -> None:
    """Raises `Unsound` where sorted places on the normal, in mm, repeat or are not equally far apart.

    `rounding`: mm that each may be off as it is written: a stack is regular where one spacing explains all of them to that.
    """
    steps = np.diff(along)
    repeats = steps <= min(ROUNDED, float(steps.mean()) / 4)
    if repeats.any():
        where, count = along[int(np.argmax(repeats))], int(repeats.sum())
        more = f" (and {count - 1} more)" if count > 1 else ""
        raise Unsound(f"two slices lie at {_mm(where)} mm{more}, and nothing in the headers tells them apart")
    usual, least = float(np.median(steps)), float(steps.min())
    if np.abs(steps - usual).max() <= _tolerance(usual) or _is_regular_but_for(along, rounding):
        return
    single = float(steps[steps < 1.5 * least].mean())
    multiples = np.round(steps / single)
    whole = np.abs(steps - multiples * single) <= _tolerance(single) * multiples + 2 * rounding
    wide = multiples > 1
    if whole.all() and wide.any() and wide.sum() <= len(steps) / 2:
        at = int(np.argmax(wide))
        lost = int(multiples.sum()) - len(steps)
        missing = "a slice is missing" if lost == 1 else f"{lost} slices are missing, the first"
        others = f"{_mm(steps[at])} mm apart, all others {_mm(single)} mm" if wide.sum() == 1 else f"others are {_mm(single)} mm apart"
        raise Unsound(f"{missing} between {_mm(along[at])} and {_mm(along[at + 1])} mm ({others})")
    raise Unsound(f"its slices are {_mm(least)} to {_mm(float(steps.max()))} mm apart: no regular spacing")


def _is_regular_but_for(along: np.ndarray, rounding: float) -> bool:
    """Whether places of one spacing lie within `rounding` of each of these: any two of them bound it from below and above."""
    band, low, high = 2 * rounding * (1 + 1e-6), 0.0, math.inf
    for apart in range(1, len(along)):
        distances = along[apart:] - along[:-apart]
        low = max(low, (float(distances.max()) - band) / apart)
        high = min(high, (float(distances.min()) + band) / apart)
        if low > high:
            return False
    return PER_DIGIT * 2 * rounding < high


def _tolerance(distance: float) -> float:
    return max(SHARE * distance, min(ROUNDED, distance / 10))  # slices of a microscope's scanner are thinner than such rounding


def _degrees(across: float, along: float) -> float:
    return math.degrees(math.atan2(across, along))


def _mm(value: float) -> str:
    return f"{round(float(value), 2) + 0.0:g}"
