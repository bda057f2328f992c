"""PatchCore: distance to the nearest of the patches that normal images showed (Roth et al. 2022, arXiv:2106.08265)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from labelfree.errors import DataError
from labelfree.training.randomness import generator
from labelfree.transfer.patches.base import PatchHead, PatchProtocol
from labelfree.transfer.patches.coreset import k_centres
from labelfree.transfer.patches.distances import nearest
from labelfree.transfer.patches.learning import LearnPatches
from labelfree.transfer.tiles.base import Fitted

CANDIDATES = 20_000  # patches that are chosen among, at most
NUMBERS = 2**25  # that these hold, at most: 128 MB
KEPT = 0.1  # of the candidates, as in the paper
FEWEST, MOST = 500, 2_000  # patches that are kept, where there are so many
NEIGHBOURS = 9  # of the nearest one, by whose distances a score is weighed; the paper's b


class CoresetHead(PatchHead):
    """`bank` (M, D): patches of normal images. `centre`, `scale` (D,): patches are centred, then multiplied. `neighbours`: in the bank, by
    whose distances an image's score is weighed (eq. 7 of the paper); 0: it is the largest distance itself.
    """

    bank: Tensor
    centre: Tensor
    scale: Tensor

    def __init__(self, patches: int, width: int, neighbours: int = 0) -> None:
        super().__init__()
        self.config = {"patches": patches, "width": width, "neighbours": neighbours}
        self.neighbours = min(neighbours, patches)
        self.register_buffer("bank", torch.zeros(patches, width))
        self.register_buffer("centre", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))

    def forward(self, parts: Sequence[Tensor]) -> Tensor:
        tokens = self.tokens(parts)
        return nearest(tokens.flatten(0, -2), self.bank)[0].view(tokens.shape[:-1])

    def tokens(self, parts: Sequence[Tensor]) -> Tensor:
        """(B, *grid, D) on the bank's scale."""
        return (torch.cat(list(parts), 1).movedim(1, -1) - self.centre) * self.scale

    def score(self, parts: Sequence[Tensor], distances: Tensor, known: Tensor) -> Tensor:
        largest = super().score(parts, distances, known)
        if not self.neighbours:
            return largest
        at = distances.masked_fill(~known, -float("inf")).flatten(1).argmax(1)
        furthest = self.tokens(parts).flatten(1, -2)[torch.arange(len(at)), at]
        return largest * weights(furthest, self.bank[self.around[nearest(furthest, self.bank)[1]]])

    @cached_property
    def around(self) -> Tensor:
        """(M, `neighbours`) of each patch in the bank the nearest ones, itself first."""
        return torch.cdist(self.bank, self.bank).fill_diagonal_(-1).topk(self.neighbours, largest=False)[1]


def weights(furthest: Tensor, around: Tensor) -> Tensor:
    """(B,) what scores are multiplied by (eq. 7), in operations that every runtime has. `furthest`: (B, D), of each tile the patch furthest
    from the bank; `around`: (B, n, D), the kept patch that is nearest to it, and those around that.
    """
    return 1 - torch.softmax((furthest[:, None] - around).norm(dim=2), 1)[:, 0]


class Coreset(PatchProtocol):
    """A coreset of patches of the budget's normal images is kept. `neighbours`: see `CoresetHead`."""

    name = "coreset"
    words, title = "coreset", "distance to patches of normal images"
    reading = "coreset: patches of normal images are kept, and an image is as anomalous as its patch that lies furthest from them all"
    method = (
        f"Coreset (PatchCore): of at most {CANDIDATES:,} patches of the budget's normal images a tenth is kept, {FEWEST} to {MOST:,}, "
        "chosen by greedy k-centre; an image's score is the largest distance of its patches to the nearest one kept."
    )

    def __init__(self, neighbours: int = 0) -> None:
        self.neighbours = neighbours

    def fit(self, learn: LearnPatches) -> Fitted[CoresetHead]:
        """A `CoresetHead`. Raises DataError where no patch is known."""
        tokens, widths = candidates(learn), learn.widths
        centre, scale = scales(tokens, widths, learn.plain)
        seen = (tokens - centre) * scale
        count = min(len(seen), MOST, max(FEWEST, round(KEPT * len(seen))))
        bank = seen[k_centres(seen, count, learn.seed)]
        head = CoresetHead(len(bank), sum(widths), self.neighbours)
        head.bank, head.centre, head.scale = bank, centre, scale
        return Fitted(head.eval())

    def head(self, config: Mapping[str, Any]) -> CoresetHead:
        return CoresetHead(**config)


class WeighedCoreset(Coreset):
    """The same with the paper's weights of scores."""

    name = "coreset_weighed"
    words, title = "weighed coreset", "distance to patches of normal images, weighed"
    reading = f"weighed coreset: as coreset, a score counting less where the {NEIGHBOURS} kept patches around the nearest one lie as far"
    method = f"Weighed coreset: the score times 1 - exp(d) / sum of exp(d) over the {NEIGHBOURS} kept patches around the nearest one."

    def __init__(self) -> None:
        super().__init__(NEIGHBOURS)


def candidates(learn: LearnPatches) -> Tensor:
    """(n, D) patches, as many of each tile, drawn by chance where they are more than there is room for."""
    room = max(1, min(CANDIDATES, NUMBERS // sum(learn.widths)) // len(learn.tiles))
    draw, found = generator("patches", learn.seed), list[Tensor]()
    for of in learn.patches():
        found.append(of if len(of) <= room else of[torch.randperm(len(of), generator=draw)[:room]])
    if not sum(map(len, found)):
        raise DataError("None of the normal images to learn from shows a measured patch; leave out those that are empty.")
    return torch.cat(found)


def scales(tokens: Tensor, widths: Sequence[int], plain: Sequence[bool]) -> tuple[Tensor, Tensor]:
    """(D,) what is taken off patches (n, D), and what they are multiplied by. `widths`, `plain`: of the parts of their vectors.

    A network's numbers stay as they are, as in the paper; plain ones are standardised, for each channel has a scale of its own. Where
    there are both, each counts alike.
    """
    spread = tokens.std(0, unbiased=False)
    known = torch.where(spread > 1e-6 * tokens.abs().amax(0).clamp(min=1e-12), spread, torch.inf)  # what never changes says nothing
    scale = torch.ones(tokens.shape[1])
    for own, is_plain in zip(torch.arange(tokens.shape[1]).split(list(widths)), plain, strict=True):
        if is_plain:
            scale[own] = 1 / known[own]
        if len(widths) > 1:
            scale[own] /= (spread[own] * scale[own]).square().sum().sqrt().clamp(min=1e-12)
    return tokens.mean(0), scale
