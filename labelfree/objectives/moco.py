"""MoCo v2: Improved Baselines with Momentum Contrastive Learning (Chen et al. 2020, arXiv:2003.04297; He et al. 2020, arXiv:1911.05722)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from labelfree.backbones import Backbone
from labelfree.domain import Default
from labelfree.errors import RecipeError
from labelfree.objectives.base import Crops, Objective, Situation, Step, Views, in_fp32
from labelfree.objectives.distributed import everyone
from labelfree.objectives.heads import mlp
from labelfree.objectives.measures import similarities
from labelfree.objectives.momentum import cosine, first_momentum, follow, move_statistics, slow_copies
from labelfree.objectives.options import Count, Positive, Share

LARGEST_QUEUE = 4096


class MoCo(Objective):
    """A query attracts its key, another view seen by a slow encoder; keys of earlier batches, kept in a queue, repel.

    Views: two global crops, the first for queries, the second for keys. BatchNorm would tell a query which batch its key is from: keys
    are encoded with running statistics, themselves a moving average (EMAN, Cai et al. 2021, arXiv:2101.08482), instead of shuffled.
    `queue`: how many keys repel. The queue is a buffer and part of every checkpoint.
    """

    backbone: Backbone
    keys: Any  # a ModuleDict: `backbone` has methods that nn.Module does not know of
    queue: Tensor
    enqueued: Tensor
    cause = "too high a learning rate, or keys that follow the queries too fast"
    fix = "lower pretrain.lr, or raise pretrain.options.momentum towards 1"
    fewest, repels = 2, True
    why_fewest = "MoCo's BatchNorm needs two queries or more"

    def __init__(
        self,
        backbone: Backbone,
        *,
        temperature: Positive = 0.2,
        queue: Count = LARGEST_QUEUE,
        momentum: Share = 0.99,
        final_momentum: Share = 0.999,
        hidden: Count = 2048,
        out: Count = 128,
    ) -> None:
        super().__init__()
        self.crops = Crops(globals=2)
        self.backbone = backbone
        self.projector = mlp(backbone.dim, hidden, out, norm=False)
        self.keys = slow_copies(self, "backbone", "projector")
        self.temperature = temperature
        self.momentum = (momentum, final_momentum)
        self.register_buffer("queue", F.normalize(torch.randn(queue, out), dim=-1))  # random directions until keys replace them
        self.register_buffer("enqueued", torch.zeros((), dtype=torch.long))
        self.latest = torch.empty(0, out)  # keys of this step
        self.keys.eval()

    @classmethod
    def rules(cls, at: Situation) -> dict[str, Default]:
        queue = min(LARGEST_QUEUE, at.images // 2) // at.batch_size * at.batch_size
        why = "whole batches, at most half the images: an image is rarely its own negative"
        return {
            "options.queue": Default(queue, why)
            if queue
            else Default(at.batch_size, "one batch, although that is half the images or more"),
            "options.momentum": first_momentum(at),
            "options.final_momentum": Default(0.999, "slow at the end, so that the queue's keys agree"),
        }

    @classmethod
    def check(cls, options: Mapping[str, Any], at: Situation) -> None:
        if options["queue"] > max(at.images, at.batch_size):
            raise RecipeError(
                f"pretrain.options.queue: {options['queue']:,} keys of {at.images:,} images hold every image more than once, as its own "
                f"negative; take at most {at.images:,}, better half of that, or auto."
            )

    def train(self, mode: bool = True) -> MoCo:
        super().train(mode)
        self.keys.eval()
        return self

    def forward(self, views: Views) -> Step:
        for_queries, for_keys = views.globals.chunk(2)
        embedded = self.backbone.embed(for_queries)
        query = self.projector(embedded)
        with torch.no_grad():
            slow = self.keys["backbone"].embed(for_keys)
            key = F.normalize(self.keys["projector"](slow).float(), dim=-1)
        loss = moco_loss(query, key, self.queue, self.temperature)
        self.latest = key
        age = self.enqueued.clamp(max=len(self.queue)) / (len(key) * everyone().world)
        return Step(loss, {**similarities(query, key), "queue_age": age}, torch.cat([embedded, slow]).detach())

    @torch.no_grad()
    def after_step(self, progress: float) -> None:
        momentum = cosine(*self.momentum, progress)
        follow(self.keys, self, momentum)
        for name, slow in self.keys.items():
            move_statistics(slow, self.get_submodule(name), momentum)
        self.enqueue(everyone().gather_constant(self.latest[None])[0])

    def enqueue(self, keys: Tensor) -> None:
        """The newest `keys` (N, D) take the place of the oldest. After the logits: a key is never its own negative."""
        keys = keys[-len(self.queue) :]
        places = (self.enqueued + torch.arange(len(keys), device=keys.device)) % len(self.queue)
        self.queue[places] = keys
        self.enqueued += len(keys)


def moco_loss(query: Tensor, key: Tensor, queue: Tensor, temperature: float) -> Tensor:
    """InfoNCE, eq. 1 of the MoCo paper: each of `query` (N, D) against its own of `key` (N, D) and all of `queue` (K, D). In fp32."""
    with in_fp32(query):
        q = F.normalize(query.float(), dim=-1)
        positive = (q * key).sum(-1, keepdim=True)  # (N, 1)
        logits = torch.cat([positive, q @ queue.T], dim=1) / temperature  # (N, 1 + K)
        return F.cross_entropy(logits, torch.zeros(len(q), dtype=torch.long, device=q.device))
