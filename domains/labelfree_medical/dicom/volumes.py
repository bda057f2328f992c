"""Volumes: slices ordered by their positions, and what keeps a stack from being one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labelfree_medical.dicom.slices import Slice

SAME_DIRECTION = 1e-3  # of cosines: scanners round them
SHARE = 0.01  # of the distance of slices that their distances may differ by …
ROUNDED = 0.02  # … or mm, since positions are often written with two decimals
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
    _require_regular(along[order])
    first, count = places[order[0]], len(slices)
    step = (places[order[-1]] - first) / (count - 1)
    distance = float(step @ normal)
    tilt = math.degrees(math.atan2(float(np.linalg.norm(step - distance * normal)), distance))
    if tilt > TILT:
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


def _require_regular(along: np.ndarray) -> None:
    """Raises `Unsound` where sorted places on the normal, in mm, repeat or are not equally far apart."""
    steps = np.diff(along)
    repeats = steps <= min(ROUNDED, float(steps.mean()) / 4)
    if repeats.any():
        where, count = along[int(np.argmax(repeats))], int(repeats.sum())
        more = f" (and {count - 1} more)" if count > 1 else ""
        raise Unsound(f"two slices lie at {_mm(where)} mm{more}, and nothing in the headers tells them apart")
    usual = float(np.median(steps))
    if np.abs(steps - usual).max() <= _tolerance(usual):
        return
    least = float(steps.min())
    multiples = np.round(steps / least)
    whole = np.abs(steps - multiples * least) <= _tolerance(least) * multiples
    wide = steps > 1.5 * least
    if whole.all() and wide.sum() <= len(steps) / 2:
        at = int(np.argmax(wide))
        lost = int(multiples.sum()) - len(steps)
        missing = "a slice is missing" if lost == 1 else f"{lost} slices are missing, the first"
        others = f"{_mm(steps[at])} mm apart, all others {_mm(least)} mm" if wide.sum() == 1 else f"others are {_mm(least)} mm apart"
        raise Unsound(f"{missing} between {_mm(along[at])} and {_mm(along[at + 1])} mm ({others})")
    raise Unsound(f"its slices are {_mm(least)} to {_mm(float(steps.max()))} mm apart: no regular spacing")


def _tolerance(distance: float) -> float:
    return max(SHARE * distance, min(ROUNDED, distance / 10))  # slices of a microscope's scanner are thinner than such rounding


def _mm(value: float) -> str:
    return f"{round(float(value), 2) + 0.0:g}"
