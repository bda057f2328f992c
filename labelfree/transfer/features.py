"""Features on disk: computed once for an arm, a seed and an input size, read back by every label budget and after a restart."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from labelfree.training.files import whole_file
from labelfree.transfer.encoders import NO_SIZE, Concatenated, Encoder

if TYPE_CHECKING:
    from labelfree.data.pool import Pool
    from labelfree.progress import Progress

BATCH = 512  # entries between two signs of life


def extract(
    encoder: Encoder, pool: Pool, size: int, folder: Path, say: Progress, images: str = "", entries: Sequence[int] | None = None
) -> np.ndarray:
    """(n, D) float32 of the pool's `entries` (default: every one) at one input size, kept under `folder`.

    `images`: what identifies their content. Arms that share a part share its file.
    """
    if isinstance(encoder, Concatenated):
        parts = [extract(part, pool, size if part.sizes else NO_SIZE, folder, say, images, entries) for part in encoder.parts]
        return np.concatenate(parts, axis=1)
    entries = range(len(pool)) if entries is None else entries
    key = hashlib.sha256(repr((encoder.digest, images, len(entries), size)).encode()).hexdigest()[:12]
    path = folder / f"{safe_name(encoder.arm)}-{encoder.seed}-{size}-{key}.npy"
    if path.is_file():
        stored: np.ndarray = np.load(path, allow_pickle=False)
        return stored
    label = f"features of {encoder.arm}" + (f", seed {encoder.seed}" if encoder.seed else "") + (f", {size} px" if size else "")
    with say.track(len(entries), label) as bar:
        rows = []
        for start in range(0, len(entries), BATCH):
            part = entries[start : start + BATCH]
            rows.append(encoder.features(pool, part, size))
            bar.advance(len(part))
    features = np.concatenate(rows)
    with whole_file(path) as file, file.open("wb") as stream:
        np.save(stream, features)
    return features


def safe_name(name: str) -> str:
    """A name that every file system takes, still telling apart names that differ in other characters."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "+-_.") else "_" for c in name)
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"
