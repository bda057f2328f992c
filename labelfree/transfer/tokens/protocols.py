"""What is asked of tokens: a head that attends to them, and beside it one that is shown the question alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from labelfree.transfer.protocols.base import Protocol
from labelfree.transfer.tasks.vqa import Asked, Said
from labelfree.transfer.tokens.head import STEPS, answered


class TokenProtocol(Protocol):
    """A protocol of tokens and questions."""

    needs = "tokens"
    shared = "Tokens: the network's coarsest level on 4 cells an axis, standardised by the labelled images; the network stands still."
    settings = (float(STEPS),)
    default = float(STEPS)
    leaves_head = False
    one_size = "a head of questions is trained once a draw"
    sees = True

    def answer(self, learn: np.ndarray, taught: Sequence[Asked], judge: np.ndarray, asked: Sequence[Asked], seed: int) -> Said:
        """What a head learned from `taught` of images with the tokens `learn` (n, places, D) says of what is `asked` of others."""
        return answered(learn if self.sees else None, taught, judge if self.sees else None, asked, seed)


class Attention(TokenProtocol):
    """The question looks at the places of an image."""

    name, words, title = "attention", "attention", "attention over tokens"
    method = (
        f"attention: the question, words and pairs of words in a bag, attends to the tokens of the frozen network; two layers choose among "
        f"the answers of the budget's labels. AdamW, {STEPS} steps, no search."
    )
    reading = "what a small head reads out of the tokens of a network that stands still"


class LanguageOnly(TokenProtocol):
    """The question alone: what can be guessed without an image."""

    name, words, title = "language_only", "question alone", "the question without the image"
    method = "question alone: the same head without tokens, the same for every arm; what an arm adds to it is what its tokens show."
    reading = "what can be guessed from the question alone"
    sees = False
