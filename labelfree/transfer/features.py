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
    features: np.ndarray = np.load(extracted(encoder, pool, size, folder, say, images, entries), allow_pickle=False)
    return features


def extracted(
    encoder: Encoder, pool: Pool, size: int, folder: Path, say: Progress, images: str = "", entries: Sequence[int] | None = None
) -> Path:
    """The file (.npy) that `extract` reads, made where it is not there: a batch at a time, so that memory does not grow with the pool.

    Of an encoder that does not consist of parts.
    """
    entries = range(len(pool)) if entries is None else entries
    key = hashlib.sha256(repr((encoder.digest, images, len(entries), size)).encode()).hexdigest()[:12]
    path = folder / f"{safe_name(encoder.arm)}-{encoder.seed}-{size}-{key}.npy"
    if path.is_file():
        return path
    label = f"features of {encoder.arm}" + (f", seed {encoder.seed}" if encoder.seed else "") + (f", {size} px" if size else "")
    with say.track(len(entries), label) as bar, whole_file(path) as file, file.open("wb") as stream:
        for start in range(0, len(entries), BATCH):
            part = entries[start : start + BATCH]
            rows = np.ascontiguousarray(encoder.features(pool, part, size))
            if not start:
                whole = {"descr": np.lib.format.dtype_to_descr(rows.dtype), "fortran_order": False, "shape": (len(entries), rows.shape[1])}
                np.lib.format.write_array_header_1_0(stream, whole)
            stream.write(rows.data)
            bar.advance(len(part))
    return path


def safe_name(name: str) -> str:
    """A name that every file system takes, still telling apart names that differ in other characters."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "+-_.") else "_" for c in name)
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"
