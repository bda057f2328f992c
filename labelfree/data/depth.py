"""How many of their bits stored integers really use: 12-bit cameras write 16-bit files, some of them shifted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

STRETCH = 257  # 8 bit as 16 bit: 0 to 255 become 0 to 65535
FEW = 16  # columns looked at before all are: dividing takes as long as decoding


@dataclass(frozen=True)
class Bits:
    """What is needed to tell the depth of one array, or of many taken together.

    `union`: all its numbers, bit by bit or. `stretched`: whether each is a multiple of 257.
    """

    low: int
    high: int
    union: int
    stretched: bool


def bits_of(pixels: np.ndarray) -> Bits | None:
    """The bits in use in an array of integers; None for floats."""
    if pixels.dtype.kind not in "ui":
        return None
    union = int(np.bitwise_or.reduce(pixels, axis=None))
    stretched = pixels.dtype.itemsize == 2 and not (pixels[..., :FEW] % STRETCH).any() and not (pixels % STRETCH).any()
    return Bits(int(pixels.min()), int(pixels.max()), union, stretched)


def bits_together(several: Iterable[Bits]) -> Bits:
    """The bits in use in several arrays."""
    parts = list(several)
    union = int(np.bitwise_or.reduce([bits.union for bits in parts]))
    return Bits(min(bits.low for bits in parts), max(bits.high for bits in parts), union, all(bits.stretched for bits in parts))


def depth_in_words(bits: Bits, stored: int) -> str:
    """The effective depth in words, of numbers stored in so many bits."""
    if bits.low < 0:
        return f"{max(bits.high.bit_length(), (~bits.low).bit_length()) + 1} of {stored} bits in use, one of them the sign"
    used = bits.union.bit_length()
    if bits.stretched and bits.high > 0:
        return f"8 bit in {stored}: only multiples of {STRETCH}"
    shift = (bits.union & -bits.union).bit_length() - 1 if bits.union else 0
    if shift and used > 1:
        return f"{used - shift} bit in {stored}: shifted by {shift}, only multiples of {2**shift}"
    return f"{used} of {stored} bits in use"
