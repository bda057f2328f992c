"""A small head that answers questions: words and pairs of words in a bag ask, attention over places looks, two layers answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labelfree.transfer.protocols.base import one_thread
from labelfree.transfer.tasks.vqa import Asked, Said

WIDTH, HIDDEN = 64, 128
COMPONENTS = 64  # of tokens, that are kept: few labels fill no more
STEPS, IMAGES, RATE, DECAY, DROPPED = 200, 32, 3e-3, 0.1, 0.3
WORD = re.compile(r"[^\W_]+")


def terms(question: str) -> list[str]:
    """Words and neighbours of words: "how many" is one of them."""
    words = WORD.findall(question.casefold())
    return [*words, *(f"{first} {second}" for first, second in pairwise(words))]


class Bag:
    """Questions as numbers, by the terms of those that are learnt from; others say nothing."""

    def __init__(self, questions: Sequence[str]) -> None:
        found = sorted({term for question in set(questions) for term in terms(question)})
        self.known = {term: number for number, term in enumerate(found, start=1)}

    def __call__(self, questions: Sequence[str]) -> Tensor:
        """(M, L) int64, 0 behind the last term."""
        numbers = [[self.known[term] for term in terms(question) if term in self.known] for question in questions]
        table = torch.zeros(len(numbers), max((*map(len, numbers), 1)), dtype=torch.int64)
        for row, each in zip(table, numbers, strict=True):
            row[: len(each)] = torch.tensor(each, dtype=torch.int64)
        return table


class AnswerHead(nn.Module):
    """`dim`: width of tokens, 0: it sees no image."""

    def __init__(self, words: int, dim: int, answers: int) -> None:
        super().__init__()
        self.words = nn.Embedding(words + 1, WIDTH, padding_idx=0)
        self.key = nn.Linear(dim, WIDTH) if dim else None
        self.value = nn.Linear(dim, WIDTH) if dim else None
        self.guess = _layers(WIDTH, answers)
        self.look = _layers(2 * WIDTH, answers) if dim else None

    def forward(self, asked: Tensor, tokens: Tensor | None, image: Tensor) -> Tensor:
        """`asked`: (M, L) terms. `tokens`: (n, places, D). `image`: (M,) of which image each asks. Returns (M, answers)."""
        question = self.words(asked).sum(1) / (asked > 0).sum(1, keepdim=True).clamp_min(1)
        guessed: Tensor = self.guess(question)
        if self.key is None or self.value is None or self.look is None or tokens is None:
            return guessed
        key, value = self.key(tokens)[image], self.value(tokens)[image]  # (M, places, WIDTH)
        looks = (torch.einsum("mpw,mw->mp", key, question) * WIDTH**-0.5).softmax(1)
        seen = torch.einsum("mp,mpw->mw", looks, value) + value.mean(1)
        looked: Tensor = guessed + self.look(torch.cat([seen, question * seen], 1))
        return looked


def _layers(width: int, answers: int) -> nn.Sequential:
    return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, HIDDEN), nn.GELU(), nn.Dropout(DROPPED), nn.Linear(HIDDEN, answers))


def answered(learn: np.ndarray | None, taught: Sequence[Asked], judge: np.ndarray | None, asked: Sequence[Asked], seed: int) -> Said:
    """What a head learned from `taught`, questions and answers of images with the tokens `learn` (n, places, D), says of those `asked` of
    images with the tokens `judge`; both None: it sees no image. On the host, and of `seed` alone.
    """
    pairs = [(row, question, answer) for row, each in enumerate(taught) for question, answer in each]
    names = sorted({answer for _, _, answer in pairs})
    bag = Bag([question for _, question, _ in pairs])
    with torch.random.fork_rng(devices=[]), one_thread():
        torch.manual_seed(seed)
        shown, others = (None, None) if learn is None or judge is None else _reduced(torch.from_numpy(learn), torch.from_numpy(judge))
        head = AnswerHead(len(bag.known), 0 if shown is None else shown.shape[2], len(names))
        _train(
            head,
            bag([question for _, question, _ in pairs]),
            shown,
            np.array([row for row, _, _ in pairs]),
            [names.index(a) for *_, a in pairs],
        )
        head.eval()
        said: list[list[str]] = []
        with torch.inference_mode():
            for row, each in enumerate(asked):
                if not each:
                    said.append([])
                    continue
                one = None if others is None else others[row : row + 1]
                scores = head(bag([question for question, _ in each]), one, torch.zeros(len(each), dtype=torch.int64))
                said.append([names[int(at)] for at in scores.argmax(1)])
    return Said(said, frozenset(names))


def _reduced(learn: Tensor, judge: Tensor) -> tuple[Tensor, Tensor]:
    """Tokens standardised and in the directions in which those of the labelled images vary most, each of variance one."""
    flat = learn.flatten(0, 1).float()
    mean, std = flat.mean(0), flat.std(0).clamp_min(1e-6)
    standard = (flat - mean) / std
    kept = min(COMPONENTS, standard.shape[1], max(4, len(learn) // 2), max(1, len(standard) - 1))
    _, singular, directions = torch.pca_lowrank(standard, q=kept, center=False, niter=2)
    scale = (singular / max(1, len(standard)) ** 0.5).clamp_min(1e-3)
    weight = singular.new_ones(kept) / scale.max() ** 0.5 / scale**0.5  # half whitened: what varies little is mostly noise
    return tuple(((part.float() - mean) / std) @ directions * weight for part in (learn, judge))  # type: ignore[return-value]


def _train(head: AnswerHead, asked: Tensor, tokens: Tensor | None, image: np.ndarray, answers: Sequence[int]) -> None:
    """Of some images at every step all questions."""
    targets, of_image = torch.tensor(answers), torch.from_numpy(image)
    images = np.unique(image)
    optimiser = torch.optim.AdamW(head.parameters(), RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, STEPS)
    for _ in range(STEPS):
        chosen = torch.from_numpy(images)[torch.randperm(len(images))[:IMAGES]]
        rows = torch.isin(of_image, chosen).nonzero()[:, 0]
        ordered = torch.sort(chosen).values
        place = torch.searchsorted(ordered, of_image[rows])
        scores = head(asked[rows], None if tokens is None else tokens[ordered], place)
        loss = F.cross_entropy(scores, targets[rows], label_smoothing=0.05)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
