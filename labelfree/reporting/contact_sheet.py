"""A contact sheet: images as their field shows them, in order, with a line and a text below each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from labelfree.reporting.lettering import composed, font_for, wrapped
from labelfree.training.files import call_with

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

A_PAGE = 60  # pictures
COLUMNS, SIDE, GAP = 6, 180, 14  # SIDE, GAP: pixels
TEXT, LINES = 12, 4  # height of letters in pixels, and lines of them below a picture
INK, FAINT, LOST = "#1b1b1b", "#5a5a5a", "#d8d8d8"


@dataclass(frozen=True)
class Caption:
    """What is written below a picture."""

    head: str
    text: str


def save_contact_sheets(first: Path, pictures: Sequence[np.ndarray | None], captions: Sequence[Caption]) -> list[Path]:
    """Write `first`, of more than 60 pictures also others beside it whose names end in _2 and so on; returns the files.

    Args: `pictures`: (H, W, 3) uint8, None for one that cannot be shown.
    """
    files = []
    for number, start in enumerate(range(0, len(pictures), A_PAGE), 1):
        sheet = _page(pictures[start : start + A_PAGE], captions[start : start + A_PAGE])
        files.append(first if number == 1 else first.with_stem(f"{first.stem}_{number}"))
        call_with(files[-1], lambda part, sheet=sheet: sheet.save(part, "png", compress_level=3))  # type: ignore[misc]
    return files


def _page(pictures: Sequence[np.ndarray | None], captions: Sequence[Caption]) -> Image:
    from PIL import Image, ImageDraw

    below = LINES * (TEXT + 4)
    rows = -(-len(pictures) // COLUMNS)
    columns = min(COLUMNS, len(pictures))
    page = Image.new("RGB", (columns * (SIDE + GAP) + GAP, rows * (SIDE + below + GAP) + GAP), "white")
    draw = ImageDraw.Draw(page)
    for at, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        left, top = GAP + (at % COLUMNS) * (SIDE + GAP), GAP + (at // COLUMNS) * (SIDE + below + GAP)
        if picture is None:
            draw.rectangle((left, top, left + SIDE - 1, top + SIDE - 1), fill=LOST)
        else:
            page.paste(_fitted(picture), (left, top))
        _write(draw, left, top + SIDE + 3, caption)
    return page


def _fitted(picture: np.ndarray) -> Image:
    """In a square of SIDE pixels, proportions kept; small images are enlarged without smoothing, so that pixels stay what they are."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(picture))
    times = SIDE / max(image.size)
    how = Image.Resampling.NEAREST if times >= 2 else Image.Resampling.BICUBIC
    image = image.resize((max(1, round(image.width * times)), max(1, round(image.height * times))), how)
    square = Image.new("RGB", (SIDE, SIDE), "white")
    square.paste(image, ((SIDE - image.width) // 2, (SIDE - image.height) // 2))
    return square


def _write(draw: ImageDraw, left: int, top: int, caption: Caption) -> None:
    head, text = composed(caption.head[:SIDE]), composed(caption.text)
    draw.text((left, top), head, fill=INK, font=font_for(head, TEXT))
    font = font_for(text, TEXT)
    for number, line in enumerate(wrapped(text, font, SIDE, LINES - 1), 1):
        draw.text((left, top + number * (TEXT + 3)), line, fill=FAINT, font=font)
