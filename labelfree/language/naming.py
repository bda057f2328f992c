"""Whether captions name a class: by whole words, whatever their case, in singular or plural, written apart or as one.

Plurals are English ones; where scripts write no blanks between words (Chinese, Japanese, Thai …) a class may stand anywhere.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

WORD = re.compile(r"[^\W_]+")
LONGEST = 3  # words that a caption may write apart where a class is written as one: rail way station
UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]")
SHORT = 3  # letters of a word that has no plural to be told


@dataclass(frozen=True)
class Named:
    """How often a class is named: `captions`, of all those that were looked at, and `images`, of which one of them is said."""

    captions: int
    images: int


class Namer:
    """Looks for classes in captions. `words`: of every class the ways to say it."""

    def __init__(self, words: Mapping[str, Sequence[str]]) -> None:
        self._sayings = [(name, saying) for name, said in words.items() for saying in map(_words, said) if saying]
        self._anywhere = [(name, _plain(each)) for name, said in words.items() for each in said if UNSPACED.search(each)]
        self._of_first: dict[str, list[tuple[str, list[frozenset[str]]]]] = {}
        self._joined: dict[str, set[str]] = {}
        for name, saying in self._sayings:
            forms = [_forms(word) for word in saying]
            for first in forms[0]:
                self._of_first.setdefault(first, []).append((name, forms))
            for joined in _forms("".join(saying)):
                self._joined.setdefault(joined, set()).add(name)

    def named(self, caption: str) -> set[str]:
        """The classes that a caption names."""
        words = _words(caption)
        forms = [_forms(word) for word in words]
        plain = _plain(caption) if self._anywhere else ""
        found = {name for name, saying in self._anywhere if saying in plain}
        for at, here in enumerate(forms):
            for name, wanted in (pair for form in here for pair in self._of_first.get(form, ())):
                there = forms[at : at + len(wanted)]
                if len(there) == len(wanted) and all(map(frozenset.intersection, there, wanted)):
                    found.add(name)
        for joined in _joined(words):
            for form in _forms(joined):
                found |= self._joined.get(form, set())
        return found

    def count(self, said: Iterable[Sequence[str]]) -> dict[str, Named]:
        """Of every class how many captions and images name it. `said`: the captions of each image."""
        captions, images = Counter[str](), Counter[str]()
        looked_at = dict[str, set[str]]()
        for of_image in said:
            seen = set[str]()
            for caption in of_image:
                if caption not in looked_at:
                    looked_at[caption] = self.named(caption)
                captions.update(looked_at[caption])
                seen |= looked_at[caption]
            images.update(seen)
        names = dict.fromkeys(name for name, _ in self._sayings)
        return {name: Named(captions[name], images[name]) for name in names}


def _words(text: str) -> list[str]:
    return WORD.findall(_plain(text))


def _plain(text: str) -> str:
    """Without case, each accent one with its letter."""
    return unicodedata.normalize("NFC", text.casefold())


def _joined(words: Sequence[str]) -> Iterator[str]:
    """Neighbouring words as one, from a single word on."""
    for count in range(1, LONGEST + 1):
        for at in range(len(words) - count + 1):
            yield "".join(words[at : at + count])


@lru_cache(maxsize=65536)
def _forms(word: str) -> frozenset[str]:
    """What a word may be the plural of, and itself: two words are the same where they share a form. Rather too many than too few: a class
    that is wrongly taken for named is told as prompted, and claims less."""
    forms = {word}
    if len(word) > SHORT and word.endswith("s") and not word.endswith("ss"):
        forms.add(word[:-1])
        if word.endswith("es"):
            forms.add(word[:-2])
        if word.endswith("ies"):
            forms.add(f"{word[:-3]}y")
    return frozenset(forms)
