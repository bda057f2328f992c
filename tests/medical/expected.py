"""An acceptance case of the medical domain on disk (its README explains the keys), and how far an image is from what it expects."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from itertools import permutations, product
from pathlib import Path
from typing import Any

import numpy as np

from labelfree.domain import Row, Sample

NEAR = 0.02  # of a voxel, by which a place may be off


@dataclass(frozen=True)
class Case:
    """`stored`: expect.json as it stands. `data`: what the user has."""

    folder: Path
    stored: dict[str, Any]

    @classmethod
    def of(cls, folder: Path) -> Case:
        return cls(folder, json.loads((folder / "expect.json").read_text(encoding="utf-8")))

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def root(self) -> Path:
        """DATA as it is typed: the data, or the data set in it."""
        typed = re.search(r"(?:plan|check|data\.root=) *DATA(\S*)", " ".join(self.stored["types"]))
        assert typed is not None
        return self.data / typed[1].strip("/")

    @property
    def labels(self) -> Path | None:
        """The table that is typed with it."""
        typed = re.search(r"(?:--labels |data\.labels=)DATA/(\S*)", " ".join(self.stored["types"]))
        return self.data / typed[1] if typed else None

    def truth(self, entry: dict[str, Any]) -> np.ndarray:
        return np.load(self.folder / entry["truth"])

    def row_of(self, entry: dict[str, Any], rows: list[Row]) -> Row | None:
        """The row that is made of the files of an expected image."""
        files = {(self.data / name).resolve() for name in entry["files"]}
        for row in rows:
            mine = {file.resolve() for file in (row.files or (row.path,))}
            if files in (mine, {row.path.resolve()}) and entry.get("key", row.key) == row.key:
                return row
        return None


def wrong_with(sample: Sample, entry: dict[str, Any], truth: np.ndarray, scale_or: float | None) -> str:
    """What an image has other than expected; empty where it is right."""
    found = sample.physical().double().numpy()
    there = None if sample.measured is None else sample.measured.numpy()
    expected = _channels_first(truth, entry)
    if found.shape[0] != expected.shape[0]:
        return f"{found.shape[0]} channels, expected {expected.shape[0]}"
    if entry["affine"] is not None:
        return _placed(found, there, sample, entry, expected)
    options = [found] if expected.ndim == 3 else [_turned(found, order, flips) for order, flips in _turns()]
    fits = [option for option in options if option.shape == expected.shape]
    if not fits:
        return f"shape {found.shape}, expected {expected.shape}"
    scales = (1.0, scale_or) if scale_or else (1.0,)
    if len(expected) == 3:  # colours of a JPEG run into each other at edges
        expected = np.where(_inside(expected), expected, np.nan)
    apart = min(_apart(option * scale, expected) for option in fits for scale in scales)
    if apart > entry["tolerance"]:
        return f"values are off by {apart:g}"
    return _spacing(sample, entry)


def _placed(found: np.ndarray, there: np.ndarray | None, sample: Sample, entry: dict[str, Any], expected: np.ndarray) -> str:
    if sample.affine is None:
        return "it has no affine"
    steps = np.linalg.inv(np.array(sample.affine)) @ np.array(entry["affine"])
    grid = np.indices(expected.shape[1:]).reshape(3, -1)
    index = steps[:3, :3] @ grid + steps[:3, 3:]
    nearest = np.rint(index).astype(int)
    if np.abs(index - nearest).max() > NEAR or found[0].size != expected[0].size:
        return f"its voxels lie elsewhere (off by up to {np.abs(index - nearest).max():.3g} of one), or it has another size"
    if (nearest < 0).any() or (nearest >= np.array(found.shape[1:])[:, None]).any():
        return "its voxels lie elsewhere"
    values = found[:, *nearest].reshape(expected.shape)
    if there is not None and (there[*nearest].reshape(expected.shape[1:]) & np.isnan(expected).any(0)).any():
        return "it counts voxels as measured that hold no measurement"
    apart = _apart(values, expected)
    return f"values are off by {apart:g}" if apart > entry["tolerance"] else ""


def _inside(expected: np.ndarray) -> np.ndarray:
    """Which pixels have their own colour all around them."""
    same = np.ones(expected.shape[1:], bool)
    for axis in (1, 2):
        for step in (1, -1):
            same &= (np.roll(expected, step, axis) == expected).all(0)
    return same


def _apart(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference where there is a measurement."""
    return float(np.nanmax(np.abs(found - expected)))


def _channels_first(truth: np.ndarray, entry: dict[str, Any]) -> np.ndarray:
    axes = len(entry["shape"])
    if truth.ndim == axes:
        return truth[None]
    return truth if axes == 3 else np.moveaxis(truth, -1, 0)


def _turns() -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    return [(order, flips) for order in permutations(range(3)) for flips in product((1, -1), repeat=3)]


def _turned(found: np.ndarray, order: tuple[int, ...], flips: tuple[int, ...]) -> np.ndarray:
    turned = found.transpose(0, *(1 + axis for axis in order))
    return turned[:, *(slice(None, None, step) for step in flips)]


def _spacing(sample: Sample, entry: dict[str, Any]) -> str:
    allowed = entry.get("spacing_or", [entry["spacing"]])
    given = None if sample.spacing is None else list(sample.spacing)
    if any(given is each or (given and each and np.allclose(given, each, rtol=1e-3)) for each in allowed):
        return ""
    return f"spacing {given}, expected {' or '.join(map(str, allowed))}"


def mask_apart(found: np.ndarray, sample: Sample, entry: dict[str, Any], truth: np.ndarray) -> int:
    """How many voxels of a mask on an image's grid are other than expected; those that nobody knows count as 255 or their own number."""
    if entry["affine"] is None:
        return int((found != truth).sum())
    assert sample.affine is not None
    steps = np.linalg.inv(np.array(sample.affine)) @ np.array(entry["affine"])
    grid = np.indices(truth.shape).reshape(3, -1)
    nearest = np.rint(steps[:3, :3] @ grid + steps[:3, 3:]).astype(int)
    return int((found[*nearest].reshape(truth.shape) != truth).sum())
