"""XML files of labels, and the numbers in them."""

from __future__ import annotations

import math
from pathlib import Path
from xml.etree.ElementTree import Element

from labelfree.data.safe_xml import MOST_BYTES, parse_xml
from labelfree.errors import DataError


def read_xml(file: Path, most: int = MOST_BYTES) -> Element:
    """The root element of a file. Raises `DataError` naming one that is missing, broken or unsafe."""
    try:
        with file.open("rb") as stream:
            raw = stream.read(most + 1)
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror}).") from error
    return parse_xml(raw, file, most)


def finite(text: str | None) -> float | None:
    """The finite number that a text holds, None for anything else."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None
