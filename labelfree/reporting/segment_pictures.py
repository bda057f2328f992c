"""Masks drawn over images: one colour a class, what nobody knows hatched; kept with a run for its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelfree.domain import IGNORE
from labelfree.reporting.panels import Panels, save_panels
from labelfree.transfer.tasks.masks import BACKGROUND

if TYPE_CHECKING:
    import numpy as np

NAME = "segments"
TINT = 0.5  # of a class's colour over the image
HATCH = 12  # pixels from one line of a hatching to the next, a third of which it is wide
# Loud, since landscapes, tissue and metal are not, and told apart by people who see red and green alike; more classes go round paler.
COLOURS = ("#ff2f9e", "#00d0ff", "#ffe100", "#8a5cff", "#ff7a00", "#a8ff3e")


@dataclass(frozen=True)
class Segmented:
    """A scored image as it is and as it was called.

    `image`: (H, W, 3) uint8. `truth`: (h, w) positions among the classes, IGNORE where nobody knows. `called`: arm -> the same. `kind`:
    best, middle, worst, or empty where the truth shows no object. `score`: of the primary's arm, None where it has none.
    """

    image: np.ndarray
    truth: np.ndarray
    called: Mapping[str, np.ndarray]
    kind: str
    score: float | None = None


def colours_of(classes: Sequence[str]) -> list[str | None]:
    """A colour for each class, None for the background: it stays as it is."""
    objects = [name for name in classes if name != BACKGROUND]
    chosen = {name: _paler(COLOURS[at % len(COLOURS)], at // len(COLOURS)) for at, name in enumerate(objects)}
    return [chosen.get(name) for name in classes]


def overlay(image: np.ndarray, mask: np.ndarray, colours: Sequence[str | None]) -> np.ndarray:
    """`image` (H, W, 3) uint8 under a `mask` (H, W) of any size: each class tinted and outlined in its colour, IGNORE hatched in gray."""
    import numpy as np
    from PIL import Image, ImageColor

    height, width = image.shape[:2]
    shown = np.asarray(Image.fromarray(mask.astype(np.int32)).resize((width, height), Image.Resampling.NEAREST))
    drawn = image.astype(np.float64)
    edge = _edges(shown)
    for at, colour in enumerate(colours):
        if colour is not None:
            here, tone = shown == at, np.array(ImageColor.getrgb(colour), float)
            drawn[here] = (1 - TINT) * drawn[here] + TINT * tone
            drawn[here & edge] = tone
    unknown = shown == IGNORE
    rows, columns = np.indices(shown.shape)
    drawn[unknown] = 0.6 * drawn[unknown] + 0.4 * 128
    drawn[unknown & ((rows + columns) % HATCH < HATCH // 3)] = 235
    picture: np.ndarray = np.rint(drawn).clip(0, 255).astype(np.uint8)
    return picture


def _edges(mask: np.ndarray) -> np.ndarray:
    """(H, W) bool: the two pixels on each side of where numbers change."""
    import numpy as np

    edge = np.zeros(mask.shape, bool)
    for step in (1, 2):
        down, right = mask[step:] != mask[:-step], mask[:, step:] != mask[:, :-step]
        edge[step:] |= down
        edge[:-step] |= down
        edge[:, step:] |= right
        edge[:, :-step] |= right
    return edge


def plane(maps: np.ndarray, channels: int = 0) -> np.ndarray:
    """(*spatial) to (H, W): of a volume the slice in the middle, as previews show it. `channels`: axes behind the spatial ones."""
    while maps.ndim > 2 + channels:
        maps = maps[len(maps) // 2]
    return maps


def save_segments(folder: Path, shown: Sequence[Segmented], classes: Sequence[str], arm: str, metric: str, side: int = 256) -> Path:
    """pictures/segments/<n>-<m>.png and pictures/segments.json: of each image itself, its truth, and what each arm called it.

    `arm`, `metric`: whose scores and of what. `side`: pixels of a picture's longest side, so that outlines are of one width.
    """
    colours = colours_of(classes)
    legend = [{"name": name, "colour": colour} for name, colour in zip(classes, colours, strict=True)]

    def panels(each: Segmented) -> Panels:
        large = enlarged(each.image, side)
        maps = [("truth", each.truth), *each.called.items()]
        return [("image", large), *((title, overlay(large, shown, colours)) for title, shown in maps)]

    def facts(each: Segmented) -> dict[str, Any]:
        return {"kind": each.kind, "score": each.score, "hatched": bool((each.truth == IGNORE).any())}

    return save_panels(folder, NAME, ((facts(each), panels(each)) for each in shown), legend, arm, metric)


def enlarged(image: np.ndarray, side: int) -> np.ndarray:
    """An image (H, W, 3) uint8 whose longest side is to be `side` pixels."""
    import numpy as np
    from PIL import Image

    height, width = image.shape[:2]
    times = side / max(height, width)
    size = (max(1, round(width * times)), max(1, round(height * times)))
    return np.asarray(Image.fromarray(np.ascontiguousarray(image)).resize(size, Image.Resampling.BICUBIC))


def _paler(colour: str, turns: int) -> str:
    from PIL import ImageColor

    share = 1 - 0.6**turns
    return "#" + "".join(f"{round(part + (255 - part) * share):02x}" for part in ImageColor.getrgb(colour)[:3])
