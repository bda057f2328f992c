"""What a search leaves: a table, shapes of what lies somewhere on Earth, and pictures."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from labelfree.data.our_folders import SEARCH_FILES
from labelfree.reporting.contact_sheet import Caption, save_contact_sheets
from labelfree.retrieval.opened_index import Hit
from labelfree.training.files import write_text

COLUMNS = ("rank", "score", "path", "label", "group", "file")
SHAPES = "search.geojson"


class Pictured(NamedTuple):
    """A picture (H, W, 3) uint8 of the sheet, None where there is none to show, and what stands below it."""

    picture: np.ndarray | None
    head: str
    text: str


def write_answer(out: Path, hits: Sequence[Hit], pictures: Sequence[Pictured]) -> list[Path]:
    """Write search.csv, search.geojson where a hit lies somewhere on Earth, and the contact sheets; returns the files in this order."""
    out.mkdir(parents=True, exist_ok=True)
    records = [dict(zip(COLUMNS, _record(rank, hit), strict=True)) for rank, hit in enumerate(hits, 1)]
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(records)
    files = [out / SEARCH_FILES[0]]
    write_text(files[0], text.getvalue())
    shapes = [_feature(record, hit.outline) for record, hit in zip(records, hits, strict=True) if hit.outline is not None]
    if shapes:
        files.append(out / SHAPES)
        write_text(files[-1], json.dumps({"type": "FeatureCollection", "features": shapes}, ensure_ascii=False) + "\n")
    captions = [Caption(each.head, each.text) for each in pictures]
    return [*files, *save_contact_sheets(out / SEARCH_FILES[1], [each.picture for each in pictures], captions)]


def _record(rank: int, hit: Hit) -> tuple[object, ...]:
    row = hit.row
    return rank, round(hit.score, 6), row.id, row.label or "", row.group or "", str(row.where)


def _feature(record: dict[str, object], outline: Sequence[float]) -> dict[str, Any]:
    """A polygon in longitude and latitude, counterclockwise as RFC 7946 has it."""
    corners = [list(outline[at : at + 2]) for at in range(2, len(outline), 2)]
    return {"type": "Feature", "properties": record, "geometry": {"type": "Polygon", "coordinates": [[*corners, corners[0]]]}}
