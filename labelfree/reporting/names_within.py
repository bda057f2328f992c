"""Which of many names stand in a text: a data set has as many as images, and a run some thousand sentences."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

TAIL = 4  # last letters by which names are looked up


class NamesWithin:
    """`names`: with forward slashes; in texts they stand so or with backward ones."""

    def __init__(self, names: Iterable[str]) -> None:
        self._order = {name: place for place, name in enumerate(dict.fromkeys(names))}
        self._by_tail: dict[str, list[str]] = defaultdict(list)
        for name in self._order:
            for form in {name, name.replace("/", "\\")}:
                self._by_tail[form[-TAIL:] if len(form) >= TAIL else ""].append(name)

    def of(self, text: str) -> list[str]:
        """Those that stand in `text`, as they were given."""
        tails = {"", *(text[at : at + TAIL] for at in range(len(text)))}
        likely = {name for tail in tails for name in self._by_tail.get(tail, ())}
        return sorted((name for name in likely if name in text or name.replace("/", "\\") in text), key=self._order.__getitem__)
