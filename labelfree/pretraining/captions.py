"""What is said of the entries of a pool, as numbers: one caption of each is drawn at every step."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from labelfree.language.tokens import Tokenizer, without_padding
from labelfree.training.randomness import generator


@dataclass(frozen=True)
class Captions:
    """`numbers`: (N, L) tokens of all captions, padded with `padding`. `first`, `count`: of each pool entry, where its captions begin and
    how many they are. `cut`: (N,) captions that are longer than the text tower takes, whose ends it never sees.
    """

    numbers: Tensor
    first: np.ndarray
    count: np.ndarray
    padding: int
    cut: np.ndarray

    @classmethod
    def of(cls, said: Sequence[tuple[str, ...]], tokenizer: Tokenizer) -> Captions:
        """`said`: the captions of each pool entry."""
        images = dict.fromkeys(said)  # tiles of an image share its captions
        begins, total = dict[tuple[str, ...], int](), 0
        for captions in images:
            begins[captions], total = total, total + len(captions)
        numbers, lengths = tokenizer([caption for captions in images for caption in captions])
        first, count = (np.array(values, dtype=np.int64) for values in ([begins[one] for one in said], list(map(len, said))))
        return cls(without_padding(numbers, tokenizer.padding), first, count, tokenizer.padding, np.asarray(lengths > tokenizer.longest))

    def draw(self, entries: np.ndarray, source: int, step: int, rank: int) -> Tensor:
        """The numbers of one caption of each of these entries, (B, L) on the host: a function of (source, step, rank)."""
        shares = torch.rand(len(entries), generator=generator("captions", source, step, rank)).numpy()
        chosen = self.first[entries] + np.minimum(shares * self.count[entries], self.count[entries] - 1).astype(np.int64)
        return without_padding(self.numbers[torch.from_numpy(chosen)], self.padding)

    @cached_property
    def digest(self) -> str:
        """Of what is said of which entry: a run goes on with the same captions only."""
        state = hashlib.blake2b(digest_size=16)
        for part in (self.numbers.numpy(), self.first, self.count):
            state.update(np.ascontiguousarray(part).tobytes())
        return state.hexdigest()
