"""Segmentations of 3D Slicer: an NRRD whose header names its segments, in layers where they overlap.

The keys of the header: https://slicer.readthedocs.io/en/latest/user_guide/modules/segmentations.html (Segmentation file format).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from labelfree.errors import DataError
from labelfree_medical.masks.grids import Grid
from labelfree_medical.masks.segments import Segment, Segments
from labelfree_medical.masks.whole_numbers import whole_numbers
from labelfree_medical.stored import Stored

KEY = re.compile(r"Segment(\d+)_(\w+)")
ENDINGS = (".nrrd", ".nhdr")


def names_segments(path: Path) -> bool:
    """Whether a file is an NRRD whose header names segments."""
    return path.name.lower().endswith(ENDINGS) and bool(_described(path))


def names_apart(path: Path) -> dict[int, str] | None:
    """The names of segments by number, where they lie in one layer and cannot overlap; None of any other file."""
    described = _described(path) if path.name.lower().endswith(ENDINGS) else []
    layers = {keys.get("Layer", str(place)) for place, keys in enumerate(described)}
    return {each.number: each.name for each in _each(path, described, 1)} if layers == {"0"} else None


def segments_of(path: Path, stored: Stored) -> Segments:
    """What its header says of the segments in a file, which was read as `stored`, its layers as channels.

    Raises `DataError` for a segment in a layer that is not there.
    """
    layers = whole_numbers(path, stored)
    return Segments(layers, tuple(_each(path, _described(path), len(layers))), Grid.of(stored))


def _each(path: Path, described: list[dict[str, str]], layers: int) -> Iterator[Segment]:
    """Before Slicer 4.11 each segment was a layer of 0 and 1, and the header said neither layer nor label."""
    for place, keys in enumerate(described, start=1):
        value = keys.get("LabelValue", "1" if layers > 1 else str(place))
        layer = keys.get("Layer", str(place - 1) if layers > 1 else "0")
        name = (keys.get("Name") or keys.get("ID") or f"segment {place}").strip()
        if not (value.isdecimal() and layer.isdecimal() and int(layer) < layers):
            raise DataError(f"{path}: its segment {name!r} lies in layer {layer} with label {value}, which is not there; save it again.")
        yield Segment(int(value) if layers == 1 else place, name, int(layer), int(value))


def _described(path: Path) -> list[dict[str, str]]:
    """What the header says of each segment, in its order."""
    try:
        import nrrd

        header: dict[str, Any] = nrrd.read_header(str(path))
    except Exception:  # pynrrd is missing, or raises what a broken header leads to: the reader of images says so
        return []
    segments: dict[int, dict[str, str]] = {}
    for key, text in header.items():
        if (found := KEY.fullmatch(str(key))) is not None:
            segments.setdefault(int(found[1]), {})[found[2]] = str(text)
    return [segments[number] for number in sorted(segments)]
