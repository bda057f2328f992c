"""Directions that labels name: where up, left or lengthwise tell classes apart, no view may turn or flip what they are of."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from labelfree.domain import Default

DIRECTIONS = (  # words that mean a direction or a side wherever they stand
    "left", "right", "up", "down", "upper", "lower", "top", "bottom", "upward", "upwards", "downward", "downwards", "leftward", "rightward",
    "horizontal", "horizontally", "vertical", "vertically", "diagonal", "transverse", "transversal", "longitudinal", "lengthwise",
    "crosswise", "clockwise", "counterclockwise", "anticlockwise", "north", "south", "east", "west",
    "links", "rechts", "linke", "rechte", "linker", "rechter", "linkes", "rechtes", "oben", "unten", "obere", "oberer", "obere", "untere",
    "unterer", "waagrecht", "waagerecht", "senkrecht", "horizontale", "horizontaler", "vertikal", "vertikale", "vertikaler", "quer",
    "längs", "diagonale", "querriss", "längsriss", "uhrzeigersinn",
    "gauche", "droite", "haut", "bas", "vertical", "verticale", "transversale", "longitudinale", "izquierda", "derecha", "arriba", "abajo",
    "vertical", "transversal", "longitudinal", "sinistra", "destra", "alto", "basso", "orizzontale", "verticale",
)  # fmt: skip
SIGNS = frozenset("左右上下横縦竖")  # signs that stand in words without a gap


def mirror(classes: Sequence[str]) -> Default:
    """Whether views may be flipped and turned by quarters for labels of these names, and why: the domain's answer as `KnowsSides`."""
    named = directions_named(classes)
    if not named:
        return Default(True, "no label names a direction, and a surface has none")
    quoted = [f'"{name}"' for name in named]
    subject = f"label {quoted[0]} names" if len(named) == 1 else f"labels {', '.join(quoted[:2])}{', …' * (len(named) > 2)} name"
    return Default(False, f"the {subject} a direction: a turned or mirrored view would show another class")


def directions_named(classes: Sequence[str]) -> list[str]:
    """Those of the names that hold a direction, in the order given."""
    return [name for name in classes if not SIGNS.isdisjoint(name) or not SPELLED.isdisjoint(_words(name))]


def _words(name: str) -> set[str]:
    """A name's words in small letters, without accents: parted at signs, digits, and where a capital follows a small letter."""
    return set(re.findall(r"[^\W\d_]+", _plain(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name))))


def _plain(text: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(letter))


SPELLED = frozenset(map(_plain, DIRECTIONS))
