"""A box on an image in pixels, with the class of what it holds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Box:
    """One object: its class and its corners in pixels."""

    name: str
    xmin: float
    ymin: float
    xmax: float
    ymax: float
