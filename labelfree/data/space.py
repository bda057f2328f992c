"""How much disk a pool may take, and which images are left out when that is too little."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from labelfree.domain import Row
from labelfree.errors import DataError
from labelfree.progress import Progress


def limit_bytes(max_gb: float | Literal["auto"], folder: Path) -> float:
    """`pool.max_gb` in bytes; `auto` is half of what is free where the pool goes. More than is free is an error."""
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    return free / 2 if max_gb == "auto" else min(max_gb * 1e9, 0.95 * free)


def sample_rows(rows: Sequence[Row], most: int, say: Progress) -> list[Row]:
    """At most `most` rows: all that have a label, and a fixed random choice of the others, in order."""
    if len(rows) <= most:
        return list(rows)
    labelled = sum(row.label is not None for row in rows)
    if labelled > most:
        raise DataError(
            f"pool.max_gb: room for {most:,} images, {labelled:,} have labels; raise it, set pool.dir to a larger disk, or set pool.tile."
        )
    say.say(f"pool.max_gb: room for {most:,} of {len(rows):,} images; those without a label are drawn at random.")
    by_chance = sorted((row for row in rows if row.label is None), key=lambda row: (_draw_key(str(row.window or row.id)), row.id))
    chosen = {row.id for row in by_chance[: most - labelled]}
    return [row for row in rows if row.label is not None or row.id in chosen]


def _draw_key(name: str) -> bytes:
    """Windows are drawn by where they lie: the same ones of every date of a scene."""
    return hashlib.blake2b(name.encode()).digest()


def gigabytes(size: float) -> str:
    """Bytes as a person reads them."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e8 else f"{size / 1e6:,.1f} MB"
