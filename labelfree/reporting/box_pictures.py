"""Boxes drawn over images: one colour a class, dashed where nothing is; kept with a run for its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelfree.reporting.panels import Panels, save_panels
from labelfree.reporting.segment_pictures import colours_of, enlarged

if TYPE_CHECKING:
    import numpy as np
    from PIL.ImageDraw import ImageDraw

NAME = "boxes"
UNKNOWN = "#999999"  # of regions of which nobody says what they show
LINE = 3  # pixels of an outline
DASH = 8  # pixels from one dash to the next, half of which it is long


@dataclass(frozen=True)
class Drawn:
    """Boxes to be drawn. `corners`: (n, 4) x0 y0 x1 y1 in pixels of the image as it was read; `labels`: n positions among the classes, None
    for what is ignored; `dashed`: n, of those that are no object.
    """

    corners: np.ndarray
    labels: Sequence[int | None]
    dashed: Sequence[bool]


@dataclass(frozen=True)
class Boxed:
    """A scored image with what is there and what was found.

    `image`: (H, W, 3) uint8. `size`: height and width of the image as it was read. `found`: arm -> as many of the surest boxes as there are
    objects. `kind`: best, middle, worst, or empty where there is no object. `score`: of the primary's arm, None where it has none.
    """

    image: np.ndarray
    size: tuple[int, int]
    truth: Drawn
    found: Mapping[str, Drawn]
    kind: str
    score: float | None = None


def outlined(image: np.ndarray, size: tuple[int, int], boxes: Drawn, colours: Sequence[str | None]) -> np.ndarray:
    """`image` (H, W, 3) uint8, which shows `size` pixels, with the outlines of boxes."""
    import numpy as np
    from PIL import Image, ImageDraw

    picture = Image.fromarray(np.ascontiguousarray(image))
    draw = ImageDraw.Draw(picture)
    down, across = (shown / whole for shown, whole in zip(image.shape[:2], size, strict=True))
    for corners, label, dashed in zip(boxes.corners, boxes.labels, boxes.dashed, strict=True):
        left, top, right, bottom = (np.asarray(corners) * (across, down, across, down)).tolist()
        colour = UNKNOWN if label is None else colours[label] or UNKNOWN
        frame = (left, top, max(left, right - 1), max(top, bottom - 1))
        if dashed:
            _dashes(draw, frame, colour)
        else:
            draw.rectangle(frame, outline=colour, width=LINE)
    return np.asarray(picture)


def save_boxes(folder: Path, shown: Sequence[Boxed], classes: Sequence[str], arm: str, metric: str, side: int = 640) -> Path:
    """pictures/boxes/<n>-<m>.png and pictures/boxes.json: of each image its truth, and what was found from each arm.

    `arm`, `metric`: whose scores and of what. `side`: pixels of a picture's longest side, so that outlines are of one width.
    """
    colours = colours_of(classes)
    legend = [{"name": name, "colour": colour or UNKNOWN} for name, colour in zip(classes, colours, strict=True)]

    def panels(each: Boxed) -> Panels:
        large = enlarged(each.image, side)
        return [(title, outlined(large, each.size, boxes, colours)) for title, boxes in (("truth", each.truth), *each.found.items())]

    def facts(each: Boxed) -> dict[str, Any]:
        return {"kind": each.kind, "score": each.score, "ignored": any(label is None for label in each.truth.labels)}

    return save_panels(folder, NAME, ((facts(each), panels(each)) for each in shown), legend, arm, metric)


def _dashes(draw: ImageDraw, frame: tuple[float, float, float, float], colour: str) -> None:
    left, top, right, bottom = frame
    for start in range(int(left), int(right) + 1, DASH):
        end = min(start + DASH // 2, right)
        draw.line((start, top, end, top), fill=colour, width=LINE)
        draw.line((start, bottom, end, bottom), fill=colour, width=LINE)
    for start in range(int(top), int(bottom) + 1, DASH):
        end = min(start + DASH // 2, bottom)
        draw.line((left, start, left, end), fill=colour, width=LINE)
        draw.line((right, start, right, end), fill=colour, width=LINE)
