"""What the numbers in a set's masks stand for, decided once for all of them: 255 is foreground in one set and `ignore` in another."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from labelfree.data.colours import COLOURED, colour_of, numbers_of_colour
from labelfree.data.label_formats.listed import BACKGROUND, IGNORED
from labelfree.data.masks import FEWEST_OBJECTS, MINUS_ONE, MaskCounts
from labelfree.errors import DataError
from labelfree.samples import IGNORE

Instances = bool | Literal["auto"]
OBJECT = "object"  # what objects of masks that number them are called, unless data.classes gives another name
MOSTLY = 0.95  # share of masks with many numbers that must look as if these were objects'
FOREGROUND = "foreground"  # what masks of one class show, unless data.classes gives it a name
ONE_CLASS = ', or where they show one class, say from which number on with data.classes={">127": NAME}'
LOSSY = {".jpg", ".jpeg", ".jpe", ".jfif"}
WHITE = 255
FEWEST_SHADES = 3  # numbers besides the two most frequent, from which on a mask may be smoothed
SHADED = 0.7  # share of their pixels that lie between a lower and a higher neighbour then
EVEN = 1  # gray levels that rounding moves an even step by


class UnsureNumbers(DataError):
    """Masks whose edges hold numbers that nobody wrote. `classes`: what `data.classes` says where they show one class, as their two most
    frequent numbers, the least and the greatest, suggest; empty where these are others.
    """

    classes: Mapping[str, str] = {}

    @classmethod
    def of(cls, sentence: str, counts: Mapping[str, MaskCounts]) -> UnsureNumbers:
        error, total = cls(sentence), Counter[int]()
        for mask in counts.values():
            total.update(mask.numbers)
        most = max(total, default=0)
        if {number for number, _ in total.most_common(2)} == {0, most} and 0 == min(total) < most < COLOURED:
            error.classes = {f">{most // 2}": FOREGROUND}
        return error


@dataclass(frozen=True)
class MaskNumbers:
    """What a number stands for: 0 is background unless it is in `names`.

    `ignored`: numbers of what nobody knows. `threshold`: the number above which all are of one class, and its name. `objects`: what the
    objects are called whose numbers tell them apart; None where numbers name classes. `notes`: how it was told. `faults`: a sentence on
    each mask that holds colours which nobody named.
    """

    names: Mapping[int, str]
    ignored: frozenset[int] = frozenset()
    notes: tuple[str, ...] = field(default=())
    threshold: tuple[int, str] | None = None
    objects: str | None = None
    faults: Mapping[str, str] = field(default_factory=dict)

    @property
    def instances(self) -> bool:
        """Whether numbers tell objects apart."""
        return self.objects is not None

    def name(self, number: int) -> str | None:
        """The class of a number; None where nobody knows."""
        if number == IGNORE or number in self.ignored:
            return None
        if self.threshold is not None:
            return self.threshold[1] if number > self.threshold[0] else BACKGROUND
        if self.objects is not None:
            return self.objects if number > 0 else BACKGROUND
        return self.names.get(number, BACKGROUND)

    @property
    def called(self) -> list[str]:
        """Classes in the order of their numbers."""
        single = self.objects or (self.threshold[1] if self.threshold is not None else None)
        return [single] if single is not None else list(dict.fromkeys(name for _, name in sorted(self.names.items())))

    @property
    def meaning(self) -> tuple[object, ...]:
        """What tells it from others."""
        return sorted(self.names.items()), sorted(self.ignored), self.threshold, self.objects


def mask_numbers(counts: Mapping[str, MaskCounts], classes: Mapping[str, str] | None = None, instances: Instances = "auto") -> MaskNumbers:
    """Decide for a whole set. `counts`: of each mask, by its path. `classes`: what the owner says, by number, colour, or as ">127".

    0 is background, 255 alone foreground and beside other numbers `ignore`. `instances`: whether numbers tell objects apart; "auto": where
    each counts on from 1 in one piece. Raises `DataError` where what they mean cannot be told: JPEG, a -1 that nobody named, smoothed
    edges, gray levels at even steps up to 255, colours that nobody named in every mask.
    """
    if not counts:
        return MaskNumbers({})
    said, threshold = _said(classes or {}, instances)
    if threshold is not None:
        return MaskNumbers({}, threshold=threshold)
    _refuse_lossy(counts)
    _refuse_unnamed_minus_one(counts, said)
    if instances is True or (instances == "auto" and _tells_objects(counts, said)):
        return _of_objects(counts, said, classes or {}, told=instances is True)
    faults = {path: fault for path, mask in counts.items() if (fault := _unnamed_colours(path, mask, said))}
    if len(faults) == len(counts):  # nothing would be learnt: it is asked, as even steps of gray are
        raise DataError(next(iter(faults.values())))
    total = Counter[int]()
    for path, each in counts.items():
        total.update(each.numbers if path not in faults else {})
    below = sorted(number for number in total if number < 0 and number not in said)
    marked = sorted(number for number in total if number and number not in below)
    unnamed = [number for number in marked if number not in said]
    _refuse_smoothed({path: mask for path, mask in counts.items() if path not in faults and max(mask.numbers, default=0) < COLOURED})
    if unnamed:
        _refuse_even_levels(marked)
    names = {number: str(number) for number in unnamed} | {number: name for number, name in said.items() if name != IGNORED}
    ignored = {number for number, name in said.items() if name == IGNORED} | set(below)
    notes = [f"Masks hold {_listed(below)}: numbers below 0 are taken for `ignore`."] if below else []
    if marked == [WHITE] == unnamed:
        names[WHITE] = FOREGROUND
        notes.append("Masks hold 0 and 255 alone: 255 is the foreground (data.classes={255: NAME} gives it a name).")
    elif WHITE in unnamed:
        del names[WHITE]
        ignored.add(WHITE)
        notes.append(
            f"Masks hold {_listed(marked)}: 255 is taken for `ignore`, neither learnt nor scored; where it is a class, say "
            "data.classes={255: NAME}."
        )
    beyond = [number for number in unnamed if number != WHITE]
    if beyond and any(name != IGNORED for name in said.values()):
        notes.append(
            f"Masks hold {_listed(beyond)}, which data.classes does not name: each is a class; call it {IGNORED} where it is none."
        )
    if len(unnamed) >= FEWEST_OBJECTS:
        notes.append(f"Masks hold {len(unnamed):,} numbers, each a class; where they tell objects apart, say data.instances=true.")
    return MaskNumbers(names, frozenset(ignored), tuple(notes), faults=faults)


def _said(classes: Mapping[str, str], instances: Instances) -> tuple[dict[int, str], tuple[int, str] | None]:
    """What the owner calls numbers and colours; and the number above which all are of one class."""
    said, thresholds = dict[int, str](), list[tuple[int, str]]()
    for key, name in classes.items():
        if (above := re.fullmatch(r">\s*(\d+)", key)) is not None:
            thresholds.append((int(above[1]), name))
        elif key == OBJECT and instances is not False:
            continue
        else:
            said |= dict.fromkeys(numbers_of_colour(key) or {_number(key)}, name)
    if thresholds and (said or len(thresholds) > 1):
        raise DataError(f"data.classes: `>{thresholds[0][0]}` names all that masks hold; remove the other keys.")
    return said, thresholds[0] if thresholds else None


def _number(key: str) -> int:
    try:
        return MINUS_ONE if int(key) == -1 else int(key)
    except ValueError:
        raise DataError(
            f'data.classes: {key!r} is no number of a mask; write {{1: water, 255: ignore}}, or a colour, {{"#ff0000": water}}.'
        ) from None


def _refuse_lossy(counts: Mapping[str, MaskCounts]) -> None:
    """Raises `DataError` where masks are JPEG."""
    if lossy := [path for path in counts if Path(path).suffix.lower() in LOSSY]:
        sentence = f"{lossy[0]}: {len(lossy):,} masks are JPEG, which changes their numbers around every edge; save them as PNG from"
        raise UnsureNumbers.of(f"{sentence} their source{ONE_CLASS}.", counts)


def _refuse_unnamed_minus_one(counts: Mapping[str, MaskCounts], said: Mapping[int, str]) -> None:
    """Raises `DataError` for -1: some write it where nobody knows, some for a class or the background."""
    held = [path for path, mask in counts.items() if MINUS_ONE in mask.numbers]
    if held and MINUS_ONE not in said:
        which = "holds -1" if len(held) == 1 else f"holds -1, and {len(held) - 1:,} more masks do"
        raise DataError(f"{held[0]}: {which}: say data.classes={{-1: {IGNORED}}} where nobody drew there, or the name of what it shows.")


def _tells_objects(counts: Mapping[str, MaskCounts], said: Mapping[int, str]) -> bool:
    """Whether numbers look like those of objects: in masks with many each is one piece, and masks hold different numbers of them."""
    many = [mask for mask in counts.values() if mask.apart is not None]
    if not many or any(name != IGNORED for name in said.values()):
        return False
    apart = sum(mask.apart is True for mask in many)
    sizes = {max(mask.numbers) for mask in counts.values() if any(mask.numbers.keys() - {0})}
    return apart >= MOSTLY * len(many) and (len(sizes) > 1 or len(counts) == 1)


def _of_objects(counts: Mapping[str, MaskCounts], said: Mapping[int, str], classes: Mapping[str, str], told: bool) -> MaskNumbers:
    """Numbers that tell objects apart, all of one class."""
    if named := [number for number, name in said.items() if name != IGNORED]:
        raise DataError(
            f"data.classes: {named[0]} is the number of an object (data.instances), no class; name all of them with {{{OBJECT}: NAME}}."
        )
    most = max(sum(number > 0 for number in mask.numbers) for mask in counts.values())
    name = classes.get(OBJECT, OBJECT)
    note = f"Masks number their objects, up to {most:,} in one, each in one piece: the classes are {BACKGROUND} and {name}; where numbers"
    notes = () if told else (f"{note} name classes, say data.instances=false.",)
    return MaskNumbers({}, frozenset(said), notes, objects=name)


def _unnamed_colours(path: str, mask: MaskCounts, said: Mapping[int, str]) -> str:
    """What to say of a mask with colours that nobody named; empty where it has none."""
    unnamed = [number for number, _ in mask.numbers.most_common() if number >= COLOURED and number not in said]
    if not unnamed:
        return ""
    shown = ", ".join(filter(None, map(colour_of, unnamed[:4]))) + (f" and {len(unnamed) - 4:,} more" if len(unnamed) > 4 else "")
    if any(number >= COLOURED for number in said):
        return f"{path}: holds {shown}, which data.classes does not name; name it, or call it {IGNORED}."
    key = f'data.classes={{"{colour_of(unnamed[0])}": NAME, …}}'
    return f"{path}: is a picture in colours ({shown}); say what each shows with {key}, or save a mask whose numbers name classes."


def _refuse_smoothed(counts: Mapping[str, MaskCounts]) -> None:
    """Raises `DataError` for a mask whose numbers, but for the two that most of its pixels have, lie between others: shades of an edge."""
    for path, mask in counts.items():
        shades = [number for number, _ in mask.numbers.most_common()[2:]]
        pixels = sum(mask.numbers[number] for number in shades)
        if len(shades) >= FEWEST_SHADES and sum(mask.between[number] for number in shades) >= SHADED * pixels:
            sentence = f"{path}: holds {len(mask.numbers):,} numbers, most of them between others on edges: it was smoothed; save masks"
            raise UnsureNumbers.of(f"{sentence} without interpolation{ONE_CLASS}.", counts)


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
