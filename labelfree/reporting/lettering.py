"""Words on pictures, in whatever script: the first font at hand that has every character of a text."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont, ImageFont

# After Pillow's own, which has plain Latin letters alone; Linux, macOS and Windows bring some of these, and Pillow looks in their folders.
FONTS = (
    "DejaVuSans.ttf", "NotoSans-Regular.ttf", "arial.ttf", "Arial Unicode.ttf", "segoeui.ttf",
    "NotoSansCJK-Regular.ttc", "PingFang.ttc", "Hiragino Sans GB.ttc", "AppleSDGothicNeo.ttc", "msyh.ttc", "YuGothM.ttc",
    "malgun.ttf", "Nirmala.ttf",
)  # fmt: skip
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
    """Letters with their accents as one character, as most fonts have them; what only steers a terminal is left out."""
    return "".join(each for each in unicodedata.normalize("NFC", text) if each.isspace() or unicodedata.category(each) != "Cc")


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
