"""Numbers in files of labels: what counts as one, as text or as a value of JSON."""

from __future__ import annotations

from typing import Any, TypeGuard

import numpy as np

MOST = 1e15  # beyond it whole numbers are no longer exact, and pixels no longer pixels


def number(value: Any) -> TypeGuard[int | float]:
    """Whether a value is a number (and not true, false, NaN or beyond all pixels)."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < MOST


def whole(value: Any) -> TypeGuard[int | float]:
    """Whether a value is a whole number, 3 as well as 3.0."""
    return number(value) and value == int(value)


def finite(text: str | None) -> float | None:
    """The number that a text holds, None for anything else (1_000 is one to Python alone)."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if number(value) and "_" not in str(text) else None


def size_of(width: Any, height: Any) -> tuple[int, int] | None:
    """(width, height) as a file lists them; None where they are missing, or zeros as some tools write them."""
    return (int(width), int(height)) if number(width) and number(height) and width >= 1 and height >= 1 else None


def points_of(value: Any) -> np.ndarray:
    """(n, 2) float64 of a list of pairs. Raises `ValueError` with the end of a sentence."""
    if not isinstance(value, list) or not all(isinstance(pair, list) and len(pair) == 2 and all(map(number, pair)) for pair in value):
        raise ValueError("has points that are not pairs of numbers")
    return np.array(value, float).reshape(-1, 2)
