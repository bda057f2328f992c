"""Colours as numbers, so that masks in colours are masks like others."""

from __future__ import annotations

import re

import numpy as np

COLOURED = 1 << 24  # added to red, green and blue, so that no colour has the number of a class


def number_of_colours(picture: np.ndarray) -> np.ndarray:
    """(*spatial, 3) red, green, blue of 8 bits to (*spatial) int32 numbers; black is 0. A picture in grays alone keeps its gray levels."""
    red, green, blue = (picture[..., channel].astype(np.int32) for channel in range(3))
    if (red == green).all() and (red == blue).all():
        return red
    packed: np.ndarray = red << 16 | green << 8 | blue
    return np.where(packed == 0, 0, packed + COLOURED)


def numbers_of_colour(text: str) -> set[int] | None:
    """The numbers that a colour as #ff0000 has in pictures; a gray one is a gray level too. None where it is no colour."""
    if re.fullmatch(r"#[0-9a-fA-F]{6}", text) is None:
        return None
    packed = int(text[1:], 16)
    gray = {packed & 255} if packed == (packed & 255) * 0x010101 else set[int]()
    return gray | ({packed + COLOURED} if packed else set())


def colour_of(number: int) -> str | None:
    """As #ff0000; None of a number that is no colour."""
    return f"#{number - COLOURED:06x}" if number >= COLOURED else None
