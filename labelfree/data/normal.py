"""Which images show something as it should be: good parts, healthy cases, what an anomaly is told from."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from labelfree.data.table_cells import name_of
from labelfree.domain import Row

# What classes and folders of images without anything wrong are called, in any case; signs and blanks between words say nothing.
WORDS = {
    "good", "ok", "okay", "normal", "healthy", "free", "pass", "passed", "intact", "flawless", "defect free", "no defect", "no defects",
    "without defect", "without defects", "non defective", "not defective", "fault free", "no fault", "no anomaly", "gut", "io", "i o",
    "fehlerfrei", "bon", "bonne", "sans defaut", "sans défaut", "bueno", "buena", "sin defecto", "sin defectos", "buono", "buona", "goed",
    "bom", "boa", "良品", "正常", "golden", "undamaged", "conforme", "conform", "conforming",
}  # fmt: skip
# Words beside these that say nothing of it: `ok_front`, `good parts`, `Gutteile`.
DRESS = {
    "part", "parts", "teil", "teile", "piece", "pieces", "product", "products", "sample", "samples", "image", "images", "img", "imgs",
    "bild", "bilder", "front", "back", "top", "bottom", "side", "class",
}  # fmt: skip
GLUED = re.compile(r"(.+)(teile?|parts?)")


def is_normal(row: Row) -> bool | None:
    """Whether the row's owner says that nothing is wrong with it (True) or that something is (False); None where nobody said."""
    if row.normal is not None:
        return row.normal
    if row.listed is None:
        return None
    return True if row.listed.negative else False if row.listed.objects else None


def only_normal(rows: Iterable[Row]) -> bool:
    """Whether all that could be learnt from shows nothing wrong: then there are no classes to tell apart and nothing to find."""
    told = [is_normal(row) for row in rows if row.split in ("train", "")]
    return True in told and False not in told and not any(_may_show(row) for row in rows if row.split in ("train", ""))


def _may_show(row: Row) -> bool:
    """Whether something of which nobody said that it is normal is told of a row."""
    return is_normal(row) is None and (row.label is not None or row.mask is not None or row.boxes is not None)


def sounds_normal(name: str) -> bool:
    """Whether a class or folder is called as those without anything wrong are: `Good`, `defect-free`, `NO_DEFECT`, `0_ok_parts`."""
    said = re.findall(r"\w+", name_of(name).casefold().replace("_", " "))
    words = [glued[1] if (glued := GLUED.fullmatch(word)) and glued[1] in WORDS else word for word in said]
    words = [word for word in words if not word.isdigit() and word not in DRESS]
    return " ".join(words) in WORDS or (bool(words) and WORDS.issuperset(words))


def normal_counts(rows: Iterable[Row]) -> str:
    """How many show nothing wrong, and how many do: `16 good, 24 unlabelled`."""
    counts = Counter("not good" if told is False else "good" if told else _else(row) for row in rows for told in [is_normal(row)])
    return ", ".join(f"{counts[what]:,} {what}" for what in ("good", "not good", "labelled otherwise", "unlabelled") if counts[what])


def _else(row: Row) -> str:
    return "unlabelled" if (row.label, row.mask, row.boxes) == (None, None, None) else "labelled otherwise"
