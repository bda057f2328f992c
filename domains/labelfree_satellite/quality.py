"""Layers that name what is wrong with a pixel: clouds, shadows, gaps."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

SCL_UNUSABLE = (0, 1, 3, 8, 9, 10)  # no data, saturated, cloud shadow, clouds of medium and high probability, cirrus (Sen2Cor's classes)
QA_UNUSABLE = 0b11111  # fill, dilated cloud, cirrus, cloud, cloud shadow (Landsat Collection 2, QA_PIXEL)
QA60_CLOUDS = 1 << 10 | 1 << 11  # opaque clouds, cirrus (Sentinel-2, as Earth Engine exports it)

# By the name of the layer: where its codes say that a pixel is of no use.
QUALITY: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "scl": lambda codes: np.isin(codes, SCL_UNUSABLE),
    "qa_pixel": lambda codes: (codes.astype(np.int64) & QA_UNUSABLE) > 0,
    "qa60": lambda codes: (codes.astype(np.int64) & QA60_CLOUDS) > 0,
}


def quality(name: str) -> Callable[[np.ndarray], np.ndarray] | None:
    """What tells useless pixels by the codes of a layer of this name; None where it is no such layer."""
    return QUALITY.get(re.sub(r"[\s-]+", "_", name.strip().lower()))
