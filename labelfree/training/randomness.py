"""Randomness as a pure function of (seed, step, rank): a resumed run draws what an unbroken one would have drawn."""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np
import torch


def mixed(*keys: object) -> int:
    """A 63-bit seed from any keys, the same on every machine and Python version."""
    digest = hashlib.blake2b("\x1f".join(map(str, keys)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def generator(*keys: object, device: torch.device | str = "cpu") -> torch.Generator:
    """A torch generator seeded by `keys`."""
    return torch.Generator(device=device).manual_seed(mixed(*keys))


def batch_rows(count: int, batch: int, step: int, seed: int, rank: int = 0, world: int = 1) -> np.ndarray:
    """Positions of this rank's batch at `step`: passes over a fresh permutation of `count` samples each, nothing left out.

    The joint batch of all ranks is the same for every `world` with the same joint size.
    """
    joint = batch * world
    places = np.arange(step * joint + rank * batch, step * joint + (rank + 1) * batch)
    rounds, within = np.divmod(places, count)
    return np.array([_permutation(count, seed, int(r))[w] for r, w in zip(rounds, within, strict=True)], dtype=np.int64)


@lru_cache(maxsize=4)
def _permutation(count: int, seed: int, pass_number: int) -> np.ndarray:
    return np.random.default_rng(mixed("order", seed, pass_number)).permutation(count)
