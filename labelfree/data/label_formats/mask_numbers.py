"""What the numbers in a set's masks stand for, decided once for all of them: 255 is foreground in one set and `ignore` in another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from labelfree.data.label_formats.listed import IGNORED
from labelfree.data.masks import MaskCounts
from labelfree.errors import DataError

LOSSY = {".jpg", ".jpeg", ".jpe", ".jfif"}
WHITE = 255
FEWEST_SHADES = 3  # numbers besides the two most frequent, from which on a mask may be smoothed
SHADED = 0.7  # share of their pixels that lie between a lower and a higher neighbour then
EVEN = 1  # gray levels that rounding moves an even step by


@dataclass(frozen=True)
class MaskNumbers:
    """`names`: class of a number; 0 is background unless it is in it. `ignored`: numbers of what nobody knows. `notes`: how it was told."""

    names: Mapping[int, str]
    ignored: frozenset[int] = frozenset()
    notes: tuple[str, ...] = field(default=())


def mask_numbers(counts: Mapping[Path, MaskCounts], classes: Mapping[str, str] | None = None) -> MaskNumbers:
    """Decide for a whole set. `counts`: of each mask. `classes`: what the owner says, by number.

    0 is background, 255 alone foreground and beside other numbers `ignore`. Raises `DataError` where that cannot be told: JPEG, smoothed
    edges, gray levels at even steps up to 255.
    """
    if not counts:
        return MaskNumbers({})
    if lossy := [path for path in counts if path.suffix.lower() in LOSSY]:
        raise DataError(
            f"{lossy[0]}: {len(lossy):,} masks are JPEG, which changes their numbers around every edge; save them as PNG from their source."
        )
    total = Counter[int]()
    for each in counts.values():
        total.update(each.numbers)
    said = {_number(key): name for key, name in (classes or {}).items()}
    marked = sorted(number for number in total if number)
    unnamed = [number for number in marked if number not in said]
    _refuse_smoothed(counts)
    if unnamed:
        _refuse_even_levels(marked)
    names = {number: str(number) for number in unnamed} | {number: name for number, name in said.items() if name != IGNORED}
    ignored = {number for number, name in said.items() if name == IGNORED}
    notes = []
    if marked == [WHITE] == unnamed:
        names[WHITE] = "foreground"
        notes.append("Masks hold 0 and 255 alone: 255 is the foreground (data.classes={255: NAME} gives it a name).")
    elif WHITE in unnamed:
        del names[WHITE]
        ignored.add(WHITE)
        notes.append(
            f"Masks hold {_listed(marked)}: 255 is taken for `ignore`, neither learnt nor scored; where it is a class, say "
            "data.classes={255: NAME}."
        )
    return MaskNumbers(names, frozenset(ignored), tuple(notes))


def _number(key: str) -> int:
    try:
        return int(key)
    except ValueError:
        raise DataError(f"data.classes: {key!r} is no number of a mask; write {{1: water, 255: ignore}}.") from None


def _refuse_smoothed(counts: Mapping[Path, MaskCounts]) -> None:
    """Raises `DataError` for a mask whose numbers, but for the two that most of its pixels have, lie between others: shades of an edge."""
    for path, mask in counts.items():
        shades = [number for number, _ in mask.numbers.most_common()[2:]]
        pixels = sum(mask.numbers[number] for number in shades)
        if len(shades) >= FEWEST_SHADES and sum(mask.between[number] for number in shades) >= SHADED * pixels:
            raise DataError(
                f"{path}: holds {len(mask.numbers):,} numbers, most of them between others on edges: it was smoothed; save masks without "
                "interpolation."
            )


def _refuse_even_levels(others: Sequence[int]) -> None:
    """Gray levels at even steps from 0 to 255 may be classes, or one class with what is unsure."""
    steps = np.diff([0, *others])
    if len(others) > 1 and others[-1] == WHITE and steps.min() > 1 and np.ptp(steps) <= EVEN:
        shown = ", ".join(f"{number}: NAME" for number in others)
        raise DataError(
            f"masks hold 0, {_listed(others)}, even steps of gray: say what each is with data.classes={{{shown}}} (or {IGNORED} for what "
            "is not to be learnt)."
        )


def _listed(numbers: Sequence[int]) -> str:
    shown = [str(number) for number in numbers[:6]]
    return f"{', '.join(shown)}, …" if len(numbers) > 6 else ", ".join(shown)
