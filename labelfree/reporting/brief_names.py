"""Names that could be taken for numbers or words (`2023001`, `17`, `p7`), told from counts, scores and dates by where they stand."""

from __future__ import annotations

import re
from collections.abc import Mapping

SHORT = 3  # letters of names that could be words or units, here and below
NAME = r"\w+(?:[.+-]\w+)*"
LINK = re.compile(r"(\w+://\S+)")
PATH = re.compile(r"(?:[^\s'\"`<>(),;:/\\]*[/\\])+[^\s'\"`<>(),;:/\\]*")
FILE = re.compile(r"(?<![\w./\\-])(\w{1,3}|\d+)(?=\.[A-Za-z]{2,5}\b)")
QUOTED = re.compile(rf"(?<=(['\"`]))({NAME})(?=\1)")
NAMED = re.compile(
    r"\b((?:folder|group|patient|subject|site|place|scan|series|study|plot|parcel|tile|id)s?[ :#]+)"
    rf"({NAME}(?:(?:, | and )(?=\S*\d){NAME})*)",
    re.IGNORECASE,
)
NUMBER = re.compile(  # long, or with a zero before it: no count is written so, only parts of larger numbers and dates are
    r"(?<![A-Za-z0-9_])(?<!\d[.,:-])(?:\d{5,}|0\d+)(?![A-Za-z0-9_]|[.,:-]\d)"
)
COUNT = re.compile(  # four digits may be a count of things or a setting
    r"(?<![A-Za-z0-9_])(?<!\d[.,:-])(?<!= )(?<!=)(?<!seed )(?<!EPSG:)\d{4}(?![A-Za-z0-9_%]|[.,:-]\d| ?[%×]| [a-z])"
)
JOINED = re.compile(r"(?<![\w.,-])\d+(?:[_-]\d+)+(?![\w%-]|[.,]\d)")
DATE = re.compile(r"\d{4}-\d\d(-\d\d)?")
MIXED = re.compile(r"(?<![A-Za-z0-9_.])(?=\w*\d)(?=\w*[A-Za-z])[A-Za-z0-9]{2,3}(?![A-Za-z0-9_])")


def mistakable(name: str) -> bool:
    """Whether a name may not be hidden wherever its letters stand: it is short, or has none."""
    return len(name) <= SHORT or not any(map(str.isalpha, name))


class Brief:
    """Hides such names. `names`: each with what stands for it."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = dict(names)

    def hidden(self, text: str) -> str:
        """The text with every one of them hidden that stands where a name does."""
        if not self.names:
            return text
        return "".join(piece if LINK.fullmatch(piece) else self._sentence(piece) for piece in LINK.split(text))

    def _sentence(self, text: str) -> str:
        text = PATH.sub(lambda match: self._path(match[0]), text)
        text = FILE.sub(self._first, text)
        text = QUOTED.sub(lambda match: self._shown(match[2]), text)
        text = NAMED.sub(lambda match: match[1] + re.sub(NAME, self._first, match[2]), text)
        text = COUNT.sub(self._first, NUMBER.sub(self._first, text))
        text = JOINED.sub(lambda match: match[0] if DATE.fullmatch(match[0]) else self._shown(match[0]), text)
        return MIXED.sub(self._first, text)

    def _shown(self, name: str) -> str:
        return self.names.get(name, name)

    def _first(self, match: re.Match[str]) -> str:
        return self._shown(match[0])

    def _path(self, path: str) -> str:
        """A path with the names of its folders and its file hidden; `3/12` and `2022/07/01` are none."""
        if not re.search(r"[A-Za-z]", path) and not re.search(r"[/\\]$", path):
            return path
        return "".join(self._part(part) for part in re.split(r"([/\\])", path))

    def _part(self, part: str) -> str:
        stem, dot, ending = part.partition(".")
        if part in self.names or not ending.isalpha():
            return self._shown(part)
        return f"{self._shown(stem)}{dot}{ending}"
