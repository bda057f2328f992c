"""A field whose images are of people, as a third party would write it: pictures whose PNG text says whose they are."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from labelfree_satellite.satellite import Satellite
from PIL import Image

from labelfree.domain import Contents, IdentifyingForm, Row, Sample


class ToyFilms(Satellite):
    """PNG whose text holds `PatientName`, `Accession`, and `BurntIn` where a name is in the pixels."""

    name = "toy_films"
    confidential = True
    identifying_forms = (
        IdentifyingForm(r"\b2\.25\.\d+", listed=False),
        IdentifyingForm(r"\b\w+\^\w+", separator="^"),
        IdentifyingForm(r"\b19\d{6}\b"),
    )

    def contents(self, root: Path) -> Contents:
        rows, names = list[Row](), defaultdict[str, list[str]](list)
        for path in sorted(root.rglob("*.png")):
            told, identity = text_of(path), path.relative_to(root).as_posix()
            rows.append(Row(identity, path, withheld="BurntIn" in told))
            for key in ("PatientName", "Accession"):
                names[told[key]].append(identity)
        return Contents(tuple(rows), frozenset(row.path for row in rows), names={name: tuple(ids) for name, ids in names.items()})

    def read(self, row: Row) -> Sample:
        if "BurntIn" in (told := text_of(row.path)):
            warnings.warn(f"{row.path}: {told['PatientName']} is burnt in", stacklevel=2)  # as libraries do
        return super().read(row)

    def missing(self, channels: Sequence[str]) -> list[str]:
        """Sentences that quote what they should not."""
        return ["Visit ZQX-ACC-99 of ZQXTESTINA has no side marker; nor has series 2.25.72403744934860067225496978460057314, of 19700123."]


def text_of(path: Path) -> dict[str, str]:
    """What a picture's text says."""
    with Image.open(path) as picture:
        return dict(getattr(picture, "text", {}))
