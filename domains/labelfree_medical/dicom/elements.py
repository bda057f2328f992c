"""Elements of a data set as numbers and text: headers hold anything, so what cannot be read is none."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

Numbers = tuple[float, ...]


@cache
def tag_of(name: str | int) -> Any:
    """The tag of an element, by its name in the standard."""
    from pydicom.tag import Tag

    return Tag(name)


def value_of(dataset: Any, name: str | int) -> Any:
    """An element's value; None where it is missing or cannot be what its type says."""
    if dataset is None:
        return None
    tag = tag_of(name)
    if tag not in dataset:
        return None
    try:
        return dataset[tag].value
    except Exception:  # values are converted when they are asked for, and pydicom raises whatever their text makes it raise
        return None


def first_item(dataset: Any, name: str) -> Any:
    """The first item of a sequence, None where there is none."""
    items = value_of(dataset, name)
    return items[0] if items else None


def numbers(dataset: Any, name: str, count: int) -> Numbers | None:
    """`count` finite numbers; None where the element holds anything else."""
    value = value_of(dataset, name)
    if value is None or isinstance(value, (str, bytes)):
        return None
    try:
        found = tuple(float(each) for each in (value if hasattr(value, "__iter__") else [value]))
    except (TypeError, ValueError):
        return None
    return found if len(found) == count and all(map(math.isfinite, found)) else None


def number(dataset: Any, name: str, otherwise: float) -> float:
    """One finite number, `otherwise` where there is none."""
    found = numbers(dataset, name, 1)
    return otherwise if found is None else found[0]


def whole(dataset: Any, name: str) -> int:
    """An element as a whole number, 0 where there is none."""
    return int(number(dataset, name, 0))


def texts(dataset: Any, name: str) -> tuple[str, ...]:
    """The values of an element as text, () where there is none."""
    value = value_of(dataset, name)
    if value is None or value == "":
        return ()
    parts = [value] if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__") else list(value)
    return tuple(str(part).strip("\x00 ") for part in parts)


def text(dataset: Any, name: str) -> str:
    """An element as one text, "" where there is none."""
    return "\\".join(texts(dataset, name))


def spacing_of(dataset: Any, name: str = "PixelSpacing") -> Numbers | None:
    """Millimetres between rows and between columns; None where they are missing or not above 0."""
    found = numbers(dataset, name, 2)
    return found if found is not None and min(found) > 0 else None
