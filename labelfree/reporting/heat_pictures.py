"""Scores of pixels drawn over images: the higher, the redder; kept with a run for its page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelfree.reporting.panels import Panels, save_panels
from labelfree.reporting.segment_pictures import enlarged, overlay

if TYPE_CHECKING:
    import numpy as np

NAME = "heats"
RED, YELLOW = (214, 16, 32), (255, 224, 0)
TRUTH = "#00d0ff"  # of what is outlined as wrong
OPAQUE = 0.75  # of a full score over the image
FROM = 0.35  # of a full score, from which on anything is drawn
PIXELS = 2**18  # that are drawn at once


@dataclass(frozen=True)
class Heated:
    """A scored image with what is wrong with it and how its pixels were scored.

    `image`: (H, W, 3) uint8. `truth`: (h, w) 1 where something is wrong; None where nobody drew it. `heats`: arm -> (h, w) scores, NaN
    where nothing is said, and what is drawn as full. `title`: what the image is called.
    """

    image: np.ndarray
    truth: np.ndarray | None
    heats: Mapping[str, tuple[np.ndarray, float]]
    title: str


def heated(image: np.ndarray, heat: np.ndarray, full: float) -> np.ndarray:
    """`image` (H, W, 3) uint8 under scores (h, w) of any size: clear below a third of `full`, then yellow, then red."""
    import numpy as np

    scores = heat if heat.shape == image.shape[:2] else _resized(np.nan_to_num(heat, nan=0.0), image.shape[:2])
    drawn = np.empty_like(image)
    for rows in _strips(image.shape):
        rising = ((_shares(scores[rows], full) - FROM) / (1 - FROM)).clip(0, 1)[..., None]
        colour = (1 - rising) * np.array(YELLOW, float) + rising * np.array(RED, float)
        alpha = OPAQUE * np.minimum(1.0, 2 * rising)
        drawn[rows] = np.rint((1 - alpha) * image[rows] + alpha * colour).clip(0, 255)
    return drawn


def plain_heat(heat: np.ndarray, full: float) -> np.ndarray:
    """Scores (h, w) alone as gray (h, w) uint8, white where they are `full`, black where nothing is said."""
    import numpy as np

    gray = np.empty(heat.shape, np.uint8)
    for rows in _strips(heat.shape):
        gray[rows] = np.rint(255 * _shares(heat[rows], full))
    return gray


def _shares(scores: np.ndarray, full: float) -> np.ndarray:
    """Of `full`, from 0 to 1; 0 where nothing is said."""
    import numpy as np

    shares: np.ndarray = (np.nan_to_num(scores, nan=0.0) / max(full, 1e-12)).clip(0, 1)
    return shares


def _strips(shape: Sequence[int]) -> Iterator[slice]:
    """Rows that are drawn together, of a picture (H, W, …): what is computed for a pixel takes far more than it does."""
    step = max(1, PIXELS // shape[1])
    return (slice(first, first + step) for first in range(0, shape[0], step))


def save_heats(folder: Path, shown: Sequence[Heated], arm: str, metric: str, side: int = 256) -> Path:
    """pictures/heats/<n>-<m>.png and pictures/heats.json: of each image itself, where anybody drew what is wrong, and each arm's scores."""

    def panels(each: Heated) -> Panels:
        large = enlarged(each.image, side)
        truth = [] if each.truth is None else [("drawn as wrong", overlay(large, each.truth, [None, TRUTH]))]
        return [("image", large), *truth, *((of, heated(large, heat, full)) for of, (heat, full) in each.heats.items())]

    def facts(each: Heated) -> dict[str, Any]:
        return {"kind": each.title, "score": None}

    return save_panels(folder, NAME, ((facts(each), panels(each)) for each in shown), [], arm, metric)


def _resized(scores: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    import numpy as np
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(scores, dtype=np.float32), mode="F")
    return np.asarray(picture.resize((shape[1], shape[0]), Image.Resampling.BILINEAR))
