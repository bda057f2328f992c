"""A field whose images are of people, as a third party would write it: pictures whose PNG text says whose they are."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

from labelfree_satellite.satellite import Satellite
from PIL import Image

from labelfree.domain import Row, Sample


class ToyFilms(Satellite):
    """PNG whose text holds `PatientName`, `Accession`, and `BurntIn` where a name is in the pixels."""

    name = "toy_films"
    confidential = True

    def read(self, row: Row) -> Sample:
        told = text_of(row.path)
        if told.get("BurntIn"):
            warnings.warn(f"{row.path}: {told['PatientName']} is burnt in", stacklevel=2)  # as libraries do
        return super().read(row)

    def identifying(self, rows: Sequence[Row]) -> Iterator[str]:
        for row in rows:
            told = text_of(row.path)
            yield from (told[key] for key in ("PatientName", "Accession") if key in told)

    def withheld(self, row: Row) -> bool:
        return "BurntIn" in text_of(row.path)

    def missing(self, channels: Sequence[str]) -> list[str]:
        """Sentences that quote what they should not."""
        return ["Visit ZQX-ACC-99 of ZQXTESTINA has no side marker; nor has series 2.25.72403744934860067225496978460057314, of 19700123."]


def text_of(path: Path) -> dict[str, str]:
    """What a picture's text says; nothing of a file that is none."""
    try:
        with Image.open(path) as picture:
            return dict(getattr(picture, "text", {}))
    except OSError:
        return {}
