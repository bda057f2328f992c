"""What the numbers in a set's masks stand for, decided once for all of them: 255 is foreground in one set and `ignore` in another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from labelfree.data.label_formats.annotated import IGNORED
from labelfree.errors import DataError

LOSSY = {".jpg", ".jpeg", ".jpe", ".jfif"}
WHITE = 255
MOST_CLASSES = 64  # different numbers above which they are shades of a smoothed edge, or count things
EDGE = 0.2  # share of the pixels that a smoothed edge takes at most
EVEN = 1  # gray levels that rounding moves an even step by


@dataclass(frozen=True)
class MaskNumbers:
    """`names`: class of a number; 0 is background unless it is in it. `ignored`: numbers of what nobody knows. `notes`: how it was told."""

    names: Mapping[int, str]
    ignored: frozenset[int] = frozenset()
    notes: tuple[str, ...] = field(default=())


def mask_numbers(counts: Mapping[Path, Counter[int]], classes: Mapping[str, str] | None = None) -> MaskNumbers:
    """Decide for a whole set. `counts`: of each mask how many pixels have a number. `classes`: what the owner says, by number.

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
        total.update(each)
    said = {_number(key): name for key, name in (classes or {}).items()}
    others = sorted(number for number in total if number not in (0, *said))
    _refuse_smoothed(counts, total, said)
    if not said:
        _refuse_even_levels(others)
    names = {number: str(number) for number in others} | {number: name for number, name in said.items() if name != IGNORED}
    ignored = {number for number, name in said.items() if name == IGNORED}
    notes = []
    if others == [WHITE]:
        names[WHITE] = "foreground"
        notes.append("Masks hold 0 and 255 alone: 255 is the foreground (data.classes={255: NAME} gives it a name).")
    elif WHITE in others:
        del names[WHITE]
        ignored.add(WHITE)
        notes.append(
            f"Masks hold {_listed(others)}: 255 is taken for `ignore`, neither learnt nor scored; where it is a class, say "
            "data.classes={255: NAME}."
        )
    return MaskNumbers(names, frozenset(ignored), tuple(notes))


def _number(key: str) -> int:
    try:
        return int(key)
    except ValueError:
        raise DataError(f"data.classes: {key!r} is no number of a mask; write {{1: water, 255: ignore}}.") from None


def _refuse_smoothed(counts: Mapping[Path, Counter[int]], total: Counter[int], said: Mapping[int, str]) -> None:
    if len(total) <= MOST_CLASSES or len(said) >= len(total) - 1:
        return
    usual = {number for number, _ in total.most_common(8)}
    edge = sum(count for number, count in total.items() if number not in usual) / total.total()
    worst = max(counts, key=lambda path: len(counts[path]))
    if edge < EDGE:
        raise DataError(
            f"{worst}: holds {len(counts[worst]):,} numbers, most of them on edges: it was smoothed; save masks without interpolation."
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
