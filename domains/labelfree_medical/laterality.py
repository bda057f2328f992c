"""Sides that labels name: where left and right tell classes apart, no view may swap them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from labelfree.domain import Default

SIDES = (  # words that mean a side wherever they stand
    "left", "right", "lefthand", "righthand", "leftsided", "rightsided", "leftward", "rightward", "sinister", "dexter", "sinistra",
    "destra", "sinistro", "destro", "sinistral", "dextral", "sinistre", "dextre", "sinistrum", "dextrum", "links", "rechts", "linke",
    "rechte", "linker", "rechter", "linkes", "rechtes", "linken", "rechten", "linksseitig", "rechtsseitig", "gauche", "gauches",
    "droite", "droites", "izquierda", "izquierdo", "derecha", "derecho", "esquerda", "esquerdo", "direita", "direito", "vänster",
    "höger", "venstre", "højre", "høyre", "vasen", "oikea", "lewy", "lewa", "lewe", "prawy", "prawa", "prawe", "levý", "levá", "pravý",
    "pravá", "levo", "desno", "stânga", "dreapta", "левый", "левая", "левое", "правый", "правая", "правое", "слева", "справа",
    "αριστερά", "δεξιά", "왼쪽", "오른쪽", "좌측", "우측",
)  # fmt: skip
WITH_PARTNER = (  # short words that mean a side where their partner is there too
    ("sin", "dex"), ("sn", "dx"), ("sx", "dx"), ("os", "od"), ("izq", "der"), ("esq", "dir"), ("li", "re"), ("g", "d"), ("sol", "sağ"),
    ("bal", "jobb"),
)  # fmt: skip
JOINED = (("left", "right"), ("links", "rechts"))  # joined to other words: leftlung beside rightlung
BESIDE_A_WORD = frozenset({"l", "r", "lt", "rt", "lh", "rh"})  # as in R_kidney
ANYWHERE = "左右"  # signs that stand in words without a gap


def mirror(classes: Sequence[str]) -> Default:
    """Whether views may be mirrored left to right for labels of these names, and why: the domain's answer as `KnowsSides`."""
    if not classes:
        return Default(False, "no labels say whether left and right matter")
    named = sides_named(classes)
    if not named:
        return Default(True, "no label names a side, so left and right may be swapped")
    quoted = [f'"{name}"' for name in named]
    subject = (
        f"label {quoted[0]} names a side" if len(named) == 1 else f"labels {', '.join(quoted[:2])}{', …' * (len(named) > 2)} name sides"
    )
    return Default(False, f"the {subject}: a mirrored view would swap left and right")


def sides_named(classes: Sequence[str]) -> list[str]:
    """Those of the names that tell left from right, in the order given."""
    words = [_words(name) for name in classes]
    held = {word for name in words for word in name}
    return [name for name, parts in zip(classes, words, strict=True) if not ANYSIGN.isdisjoint(name) or _sided(parts, held)]


def _sided(words: Sequence[str], held: set[str]) -> bool:
    """Whether one of a name's `words` means a side; `held`: the words of all names."""
    return any(word in SPELLED or (word in BESIDE_A_WORD and len(words) > 1) or not held.isdisjoint(_partners(word)) for word in words)


def _partners(word: str) -> set[str]:
    """What the other side would be called: rul for lul, RV for LV, rightlung for leftlung, and pairs of short words."""
    other = {"l": "r", "r": "l"}.get(word[0])
    pairs = {second if word == first else first for first, second in PAIRS if word in (first, second)}
    joined = {word.replace(*pair) for side in JOINED for pair in (side, side[::-1])} - {word}
    return pairs | joined | ({other + word[1:]} if other else set())


def _words(name: str) -> list[str]:
    """A name's words in small letters, without accents: parted at signs, digits, and where a capital follows a small letter.

    One letter with a number is a word of its own: L5 and R2 are no sides.
    """
    return re.findall(r"(?<![^\W_])[^\W\d_]\d+(?![^\W_])|[^\W\d_]+", _plain(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)))


def _plain(text: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(letter))


ANYSIGN = frozenset(ANYWHERE)
SPELLED = frozenset(map(_plain, SIDES))
PAIRS = [(_plain(first), _plain(second)) for first, second in WITH_PARTNER]
