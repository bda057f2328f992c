"""Files that are the same, byte for byte."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from labelfree.data.threads import in_order
from labelfree.domain import Row
from labelfree.progress import Progress, Silent

CHUNK = 2**20
LONG = 2**28  # bytes to hash, from which on a person wants to see how far it is


def same_files(rows: Sequence[Row], say: Progress) -> list[list[Row]]:
    """Rows whose files hold the same bytes, in lists of two or more, in the order of the rows.

    Only files of equal size are read. Folders, images of several files and parts of one have no file of their own and are left out.
    """
    by_size: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        if row.path.is_file() and not row.key and not row.files:
            by_size[row.path.stat().st_size].append(row)
    alike = [row for members in by_size.values() if len(members) > 1 for row in members]
    if not alike:
        return []
    size = sum(size * len(members) for size, members in by_size.items() if len(members) > 1)
    shown = say if size >= LONG else Silent()
    by_content: dict[str, list[Row]] = defaultdict(list)
    contents = in_order(lambda row: _content(row.path), alike)
    for row, content in zip(alike, shown.track(contents, "comparing files", len(alike)), strict=True):
        by_content[content].append(row)
    place = {row.id: number for number, row in enumerate(rows)}
    groups = [sorted(members, key=lambda row: place[row.id]) for content, members in by_content.items() if content and len(members) > 1]
    return sorted(groups, key=lambda members: place[members[0].id])


def _content(path: Path) -> str:
    seen = hashlib.blake2b(digest_size=16)
    try:
        with path.open("rb") as file:
            while part := file.read(CHUNK):
                seen.update(part)
    except OSError:  # the reader will say so in its own words
        return ""
    return seen.hexdigest()
