"""Which pool entries show the same: the second view of a sample may come from another image, when `data.positives` says so."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import chain

import numpy as np

from labelfree.data.pool_reader import Pool
from labelfree.domain import Domain, Pairs
from labelfree.errors import DataError, RecipeError
from labelfree.recipe import Data


@dataclass(frozen=True)
class Positives:
    """The partners of each entry of a pool: of entry i those are `others[first[i] : first[i + 1]]`.

    `first`: (E + 1,), `others`: (P,) int64. An entry without partners is its own.
    """

    first: np.ndarray
    others: np.ndarray

    @property
    def digest(self) -> str:
        """Identity of the pairs."""
        return hashlib.blake2b(self.first.tobytes() + self.others.tobytes(), digest_size=16).hexdigest()

    def draw(self, entries: np.ndarray, seed: int) -> np.ndarray:
        """A partner of each entry, (B,), another one for another `seed`; the entry itself where it has none."""
        first = self.first[entries]
        count = self.first[entries + 1] - first
        chosen = first + (np.random.default_rng(seed).random(len(entries)) * count).astype(np.int64)
        return np.where(count > 0, self.others[np.minimum(chosen, len(self.others) - 1)], entries)


def check_positives(kind: str, domain: Domain) -> None:
    """Raises RecipeError for a kind of pairs that the domain does not know."""
    kinds = ("self", *(domain.positives if isinstance(domain, Pairs) else ()))
    if kind not in kinds:
        raise RecipeError(f"data.positives: {kind!r} is not known; the domain {domain.name} has {', '.join(kinds)}.")


def find_positives(data: Data, domain: Domain, pool: Pool, entries: np.ndarray) -> tuple[Positives | None, list[str]]:
    """The pairs that `data.positives` asks for among `entries` of the pool, None for "self", and sentences for the report.

    Raises RecipeError for a kind that the domain does not know, DataError where no entry has a partner.
    """
    kind = data.positives
    if kind == "self":
        return None, []
    check_positives(kind, domain)
    assert isinstance(domain, Pairs)
    partners_of = domain.partners(kind, pool.shown(entries), data.positives_within)
    paired = sum(map(bool, partners_of))
    if not paired:
        raise DataError(
            f"data.positives={kind}: none of the {len(entries):,} images to pretrain on has a partner; {domain.positives[kind]}, or leave "
            "data.positives out."
        )
    counts = np.zeros(len(pool), dtype=np.int64)
    counts[entries] = [len(partners) for partners in partners_of]
    order = np.argsort(entries)  # partners of one entry stand where its number says
    others = entries[np.fromiter(chain.from_iterable(partners_of[i] for i in order), dtype=np.int64)]
    note = (
        f"Second views come from other images (data.positives={kind}): {paired:,} of {len(entries):,} have one, {len(others) / paired:.1f}"
    )
    alone = "" if paired == len(entries) else " The others are paired with themselves."
    return Positives(np.concatenate([[0], np.cumsum(counts)]), others), [f"{note} on average.{alone}"]
