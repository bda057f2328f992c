"""Words on pictures, in whatever script: the first font at hand that has every character of a text."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from functools import lru_cache
from importlib.util import find_spec
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont, ImageFont

# After Pillow's own, which has plain Latin letters alone; Linux, macOS and Windows bring some of these, and Pillow looks in their folders.
FONTS = (
    "DejaVuSans.ttf", "NotoSans-Regular.ttf", "arial.ttf", "Arial.ttf", "Arial Unicode.ttf", "segoeui.ttf",
    "NotoSansCJK-Regular.ttc", "PingFang.ttc", "Hiragino Sans GB.ttc", "AppleSDGothicNeo.ttc", "msyh.ttc", "YuGothM.ttc", "malgun.ttf",
    "NotoSansDevanagari-Regular.ttf", "NotoSansThai-Regular.ttf", "Nirmala.ttf", "LeelawUI.ttf",
)  # fmt: skip
CUT = " …"
NO_CHARACTER = "\uffff"  # Unicode keeps it free of meaning, so that every font shows what it shows for letters it lacks


def font_for(text: str, height: int) -> FreeTypeFont | ImageFont:
    """Of `height` pixels: the first that has all characters of a `composed` text, else the one that lacks fewest."""
    letters = sorted(set(text))
    chosen, fewest = at_hand(height)[0], len(letters) + 1
    for font in at_hand(height):
        lacking = sum(not _has(font, letter) for letter in letters)
        if lacking < fewest:
            chosen, fewest = font, lacking
        if not lacking:
            break
    return chosen


def composed(text: str) -> str:
    """Letters with their accents as one character, as most fonts have them, and plain spaces, for layouts fail on ends of paragraphs; what
    only steers a terminal is left out.
    """
    spaced = (" " if each.isspace() else each for each in unicodedata.normalize("NFC", text))
    return "".join(each for each in spaced if unicodedata.category(each) != "Cc")


def wrapped(text: str, font: FreeTypeFont | ImageFont, wide: int, most: int) -> list[str]:
    """At most so many lines of a `composed` text, each at most `wide` pixels; what is left out is told by an ellipsis."""
    lines, rest = list[str](), text[: wide * most].strip()  # no letter is narrower than a pixel
    while rest and len(lines) < most:
        fitting = _fitting(rest, font, wide)
        between = rest.rfind(" ", 0, fitting + 1)
        end = fitting if fitting == len(rest) or between < 1 else between
        lines.append(rest[:end].rstrip())
        rest = rest[end:].lstrip()
    if rest:
        lines[-1] = lines[-1][: _fitting(lines[-1], font, wide - ceil(font.getlength(CUT)))].rstrip() + CUT
    return lines


def _fitting(text: str, font: FreeTypeFont | ImageFont, wide: int) -> int:
    """How many of its letters, one at least, fit `wide` pixels."""
    return max(1, bisect_right(range(len(text) + 1), wide, key=lambda count: ceil(font.getlength(text[:count]))) - 1)


@lru_cache(maxsize=8)
def at_hand(height: int) -> tuple[FreeTypeFont | ImageFont, ...]:
    """Pillow's own font, and those of the machine."""
    from PIL import ImageFont

    fonts = [ImageFont.load_default(height)]
    for name in (*FONTS, *_of_matplotlib()):
        try:
            fonts.append(ImageFont.truetype(name, height))
        except OSError:
            continue
    return tuple(fonts)


def _of_matplotlib() -> list[str]:
    """DejaVu Sans comes with it, also where the system has no fonts; it is not imported."""
    package = find_spec("matplotlib")
    folders = [] if package is None else package.submodule_search_locations or []
    return [str(Path(folder) / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf") for folder in folders]


@lru_cache(maxsize=65_536)
def _has(font: FreeTypeFont | ImageFont, letter: str) -> bool:
    return letter.isspace() or _drawn(font, letter) != _drawn(font, NO_CHARACTER)


def _drawn(font: FreeTypeFont | ImageFont, letter: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(letter)
    return mask.size, bytes(mask)
