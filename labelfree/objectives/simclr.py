"""SimCLR: A Simple Framework for Contrastive Learning of Visual Representations (Chen et al. 2020, arXiv:2002.05709)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from labelfree.backbones import Backbone
from labelfree.objectives.base import Crops, Objective, Step, Views, in_fp32
from labelfree.objectives.blockwise import CrossEntropy, Pairs, by_blocks, held_at_once
from labelfree.objectives.distributed import ALONE, Ranks, everyone
from labelfree.objectives.heads import mlp
from labelfree.objectives.measures import similarities
from labelfree.objectives.options import Count, Positive


class SimCLR(Objective):
    """Two views of one image attract; every other view in the batch repels (NT-Xent).

    Views: two global crops, each (B, C, *spatial).
    """

    backbone: Backbone
    fewest, repels = 2, True
    why_fewest = "SimCLR compares the images of a batch with each other, and with one image its loss is always 0"

    def __init__(self, backbone: Backbone, *, temperature: Positive = 0.2, hidden: Count = 2048, out: Count = 128) -> None:
        super().__init__()
        self.crops = Crops(globals=2)
        self.backbone = backbone
        self.projector = mlp(backbone.dim, hidden, out)
        self.temperature = temperature

    def forward(self, views: Views) -> Step:
        embedded = self.backbone.embed(views.globals)
        first, second = self.projector(embedded).chunk(2)
        return Step(nt_xent(first, second, self.temperature, everyone()), similarities(first, second), embedded.detach())


def nt_xent(first: Tensor, second: Tensor, temperature: float, ranks: Ranks = ALONE) -> Tensor:
    """Normalised temperature-scaled cross entropy, eq. 1 of the paper: this rank's rows against every rank's columns.

    `first`, `second`: (N, D) projections of the two views; row i of one is the positive of row i of the other. In fp32.
    """
    mine = torch.stack([first, second]).float()  # (2, N, D)
    everyones = ranks.gather(mine)  # (2, world * N, D), gradients kept
    itself, positive = ranks.positions(len(first), first.device)
    with in_fp32(first):
        rows, columns = F.normalize(mine.flatten(0, 1), dim=-1), F.normalize(everyones.flatten(0, 1), dim=-1)
        if not held_at_once(rows, columns):
            return by_blocks(CrossEntropy(), 1 / temperature * rows, columns, Pairs(positive, itself)).mean()
        similarity = 1 / temperature * rows @ columns.T  # (2N, 2 * world * N)
        similarity.scatter_(1, itself[:, None], float("-inf"))  # a view is not its own negative
        return F.cross_entropy(similarity, positive)
