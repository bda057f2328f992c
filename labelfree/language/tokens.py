"""Captions as numbers: open_clip's byte pairs, whose vocabulary ships with it, or the tokenizer of a text encoder from a local folder."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from labelfree.errors import RecipeError

OPEN_CLIP = "pretrain.options.text: needs open_clip, which is not installed: pip install 'labelfree[language]'."
TOKENIZERS = "pretrain.options.text: a text encoder from a folder needs transformers, which is not installed: pip install transformers."


class Tokens(NamedTuple):
    """`numbers`: (N, L) int64, padded behind each caption. `lengths`: (N,) tokens of each before it was cut to the longest allowed."""

    numbers: Tensor
    lengths: Tensor


class Tokenizer(Protocol):
    """Makes numbers of captions. `longest`: tokens of a caption, marks of its ends included. `padding`: what follows its end."""

    longest: int
    padding: int

    def __call__(self, captions: Sequence[str]) -> Tokens: ...


class BytePairs:
    """open_clip's tokenizer: bytes of any script, the marks of beginning and end; `clean`: what is done to a caption first.

    Raises RecipeError without open_clip.
    """

    padding = 0

    def __init__(self, longest: int = 77, clean: str = "lower") -> None:
        try:
            from open_clip.tokenizer import SimpleTokenizer
        except ImportError as error:
            raise RecipeError(OPEN_CLIP) from error
        self.longest, self.clean = longest, clean
        self._pairs = SimpleTokenizer(context_length=longest, clean=clean)

    @property
    def vocabulary(self) -> int:
        """How many different tokens there are."""
        return int(self._pairs.vocab_size)

    def __call__(self, captions: Sequence[str]) -> Tokens:
        lengths = torch.tensor([len(self._pairs.encode(caption)) + 2 for caption in captions], dtype=torch.int64)
        return Tokens(self._pairs(list(captions)).reshape(len(captions), self.longest), lengths)


class OfEncoder:
    """The tokenizer of a text encoder, as the text that its library keeps it in. `clean`: what open_clip does to a caption first, by its
    name there; "": nothing. Raises RecipeError without tokenizers.
    """

    def __init__(self, told: str, longest: int, padding: int, clean: str = "") -> None:
        self.told, self.longest, self.padding, self.clean = told, longest, padding, clean
        self._tokenizer  # noqa: B018  # what is wrong with it is said now

    @cached_property
    def _tokenizer(self) -> Any:
        try:
            from tokenizers import Tokenizer as Fast
        except ImportError as error:
            raise RecipeError(TOKENIZERS) from error
        tokenizer = Fast.from_str(self.told)
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return tokenizer

    def __call__(self, captions: Sequence[str]) -> Tokens:
        found = [encoded.ids for encoded in self._tokenizer.encode_batch([self._cleaned(caption) for caption in captions])]
        numbers = torch.full((len(found), self.longest), self.padding, dtype=torch.int64)
        for row, ids in zip(numbers, found, strict=True):
            kept = ids if len(ids) <= self.longest else [*ids[: self.longest - 1], ids[-1]]  # its last token marks the end
            row[: len(kept)] = torch.tensor(kept, dtype=torch.int64)
        return Tokens(numbers, torch.tensor([len(ids) for ids in found], dtype=torch.int64))

    def _cleaned(self, caption: str) -> str:
        if not self.clean:
            return caption
        from open_clip.tokenizer import get_clean_fn

        return str(get_clean_fn(self.clean)(caption))


def without_padding(numbers: Tensor, padding: int) -> Tensor:
    """(N, L) cut to the longest caption: what follows is padding in every row."""
    used = (numbers != padding).any(0).nonzero()
    return numbers[:, : int(used.max()) + 1] if len(used) else numbers[:, :1]
