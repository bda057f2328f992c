"""How many bits a camera gives and where in a file they stand: one file does not tell, for a part may be dark, a set does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labelfree.domain import Default
from labelfree.errors import DataError

if TYPE_CHECKING:
    from labelfree.data.depth import Bits

CAMERAS = (8, 10, 12, 14, 16)  # bits that cameras give
STORED = 16
SHALLOW, USUAL = 10, 12  # up to the first a set must be saturated, else it may well be a dark one of the second
SATURATED = 127 / 128  # of the largest number: so near to it nothing but saturation brings a picture of many parts
MOST = 0.75  # of the images of a set have its depth
ENOUGH, FAR = 5, 4  # unsaturated images of a depth, from which on those that reach so many times as far are of another scale
STEP = 2  # bits of 0 at the lower end that no picture of a lower-end camera has by chance


@dataclass(frozen=True)
class Depth:
    """`bits` of a camera above `shift` bits of 0."""

    bits: int
    shift: int = 0

    @property
    def white(self) -> int:
        """The largest number that it can be stored as."""
        return (2**self.bits - 1) << self.shift

    def holds(self, used: Bits) -> bool:
        """Whether numbers that use these bits can be of it."""
        return used.low >= 0 and not used.union & ~self.white

    def __str__(self) -> str:
        end = f" at the upper end of {self.bits + self.shift}" if self.shift else ""
        return f"{self.bits} bits{end}"


def depth_of(images: Sequence[Bits], told: Iterable[int]) -> Depth | None:
    """The depth of a set whose images use these bits of 16, None where there is none. `told`: depths that files say themselves.

    Where most images have bits of 0 below, these are a shift. Images that do not fit the others play no part.
    """
    used = [bits for bits in images if bits.high > 0 and bits.low >= 0]
    if not used:
        return None
    if known := sorted(set(told)):
        return Depth(known[-1])
    below = [_zeros_below(bits) for bits in used]
    shifted = [zeros for zeros in below if zeros >= STEP]
    high = [bits for bits, zeros in zip(used, below, strict=True) if zeros >= STEP and bits.high >= 2**USUAL]
    if 2 * len(shifted) > len(used) and high:
        bits = next(depth for depth in CAMERAS if sum(zeros >= STORED - depth for zeros in below) >= MOST * len(shifted))
        return Depth(bits, STORED - bits)
    lower = [bits.high for bits, zeros in zip(used, below, strict=True) if zeros < STEP or bits.high < 2**USUAL] or [used[0].high]
    return Depth(_lower_end(sorted(lower)))


def settled_depth(images: Sequence[Bits], told: Iterable[int]) -> Mapping[str, Default]:
    """`reader.depth`, and `reader.shift` where it is not 0, of images that use these bits of 16; none where there is no depth to find."""
    told = set(told)
    depth = depth_of(images, told)
    if depth is None:
        return {}
    fit = [bits for bits in images if depth.holds(bits)]
    most = max((bits.high for bits in fit), default=0)
    held = f"{len(fit)} of {len(images)} images looked at hold nothing beyond {depth}, the brightest reaches {most:,} of {depth.white:,}"
    shift = {"shift": Default(depth.shift, "the bits below are 0")} if depth.shift else {}
    return {"depth": Default(depth.bits, "as the files say" if told else held), **shift}


def _lower_end(highest: Sequence[int]) -> int:
    """Bits of a camera whose images reach these largest numbers, from 0 on."""
    least = next(depth for depth in CAMERAS if highest[-1] < 2**depth)
    for depth in CAMERAS[:-1]:
        inside = [most for most in highest if most < 2**depth]
        full = sum(most >= SATURATED * (2**depth - 1) for most in inside)
        if len(inside) < MOST * len(highest):
            continue
        found = depth if full or depth > SHALLOW else USUAL
        if depth == least or 2 * full > len(inside):
            return found
        next_up = highest[len(inside)]
        if len(inside) >= ENOUGH and next_up >= FAR * inside[-1] and next_up >= 2 ** (found + 1):
            return found
    return least


def _zeros_below(bits: Bits) -> int:
    """How many bits at the lower end are 0 in every number; 0 of 8 bits stretched to 16, which only look so."""
    return 0 if bits.stretched else (bits.union & -bits.union).bit_length() - 1


def require_depth(called: str, used: Bits, stored: int, depth: Depth) -> None:
    """Raises `DataError` where an image is none of the set's: of another depth, at the other end, or in a file of fewer bits."""
    if stored < depth.bits:
        held = f"is stored in {stored} bits"
    elif depth.holds(used):
        return
    elif used.high <= depth.white and depth.shift:
        held = f"uses bits below the upper {depth.bits}"
    else:
        held = f"reaches {used.high:,}" if used.low >= 0 else f"reaches down to {used.low:,}"
    keys = f"reader.depth={depth.bits}" + (f", reader.shift={depth.shift}" if depth.shift else "")
    raise DataError(
        f"{called}: {held}, the others of its set are {depth} ({keys}; up to {depth.white:,}), so it is on another scale; "
        "leave it out (data.on_error=skip), convert it, or correct these keys."
    )
