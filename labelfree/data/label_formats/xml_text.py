"""XML files of labels."""

from __future__ import annotations

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
        raise DataError(f"{file}: cannot be read ({error.strerror}); make it readable, or take it out.") from error
    return parse_xml(raw, file, most)
