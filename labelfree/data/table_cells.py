"""Cells of tables and vector files as text: what stands for a value that is missing, and numbers as their owner wrote them."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# What R, pandas, SQL and spreadsheets write where there is nothing (pandas' list), and a lone dash. `none` in lower case may be a class.
MISSING = {
    "NA", "N/A", "n/a", "<NA>", "#NA", "#N/A", "NaN", "nan", "-NaN", "-nan", "NULL", "null", "Null", "None", "NaT", "-", "--", "–",
}  # fmt: skip
NOTHING = {"nan", "<NA>", "NaT"}  # what numpy's and pandas' own missing values are called
WHOLE = re.compile(r"[+-]?(0|[1-9]\d*)(\.0*)?")  # 007 is a name
CAPTIONS = " | "  # between captions of one image in a cell
LISTED = "\x1f"  # before each part of a Parquet table's list, whatever the parts hold
RAW = ("raw", "caption", "text", "sentence")  # of a sentence that is a record
UNSEEN = re.compile(r"[\u200b-\u200f\u2060\ufeff]")  # marks without width that copying from web pages and spreadsheets leaves


def plain_text(value: Any) -> str | None:
    """A cell as text without blanks around it; None where it is empty."""
    if value is None or (not isinstance(value, str) and str(value) in NOTHING):
        return None
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="replace")
    return str(value).strip() or None


def sentence_in(part: Any) -> Any:
    """A sentence, or the text of one that is a record of its own; None where that has none."""
    return next((part[key] for key in RAW if key in part), None) if isinstance(part, Mapping) else part


def listed_text(values: Iterable[Any]) -> str:
    """A list of a Parquet table as the text of a cell; of parts that are records what is said in them."""
    return "".join(LISTED + str(part) for part in map(sentence_in, values) if part is not None)


def spelled(path: str) -> str:
    """The name of a file in one spelling, by which rows of one image are known: `./a.png` is `a.png`."""
    return path.replace("\\", "/").removeprefix("./")


def as_written(cell: str | None) -> str | None:
    """A cell as a CSV would write it."""
    return CAPTIONS.join(cell.split(LISTED)[1:]) if cell and cell.startswith(LISTED) else cell


def caption_parts(text: str) -> list[str]:
    """What stands in a cell for captions of an image, in their order, blank ones too: several stand apart by " | "."""
    parts = text.split(LISTED)[1:] if text.startswith(LISTED) else text.split(CAPTIONS)
    return [part.strip() for part in parts]


def captions_in(text: str) -> tuple[str, ...]:
    """The captions of an image that a cell holds."""
    return tuple(filter(None, caption_parts(text)))


def name_of(text: str) -> str:
    """A name as it is shown: without blanks around it and marks that nobody sees, each accent one with its letter (Unicode NFC)."""
    return UNSEEN.sub("", unicodedata.normalize("NFC", text)).strip()


def names_in(values: Iterable[Any]) -> tuple[list[str | None], Counter[str]]:
    """A column's cells as names, None where they are missing, and how often each word stood for a missing one.

    Whole numbers beside gaps come as 0.0 and 1.0 from pandas; where all are whole they become 0 and 1 again.
    """
    texts = [name_of(text) or None if (text := plain_text(value)) else None for value in values]
    words = Counter(text for text in texts if text in MISSING)
    kept = [None if text in MISSING else text for text in texts]
    return _whole(kept), Counter({str(word): number for word, number in words.items()})


def _whole(texts: list[str | None]) -> list[str | None]:
    known = [text for text in texts if text is not None]
    if any("." in text for text in known) and all(map(WHOLE.fullmatch, known)):
        return [text if text is None else str(int(text.partition(".")[0])) for text in texts]
    return texts


def missing_note(words: Counter[str], column: str) -> str:
    """What to say of words that were taken for missing values."""
    shown = ", ".join(sorted(words))
    stand = "stand" if len(words) > 1 else "stands"
    return f"{shown} {stand} for a missing {column} in {words.total():,} row{'s' * (words.total() > 1)}; rename what is a class."


def differ_in_case(names: Sequence[str]) -> list[list[str]]:
    """Names that are the same but for upper and lower case."""
    by_folded: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        by_folded.setdefault(name.casefold(), []).append(name)
    return [spellings for spellings in by_folded.values() if len(spellings) > 1]
