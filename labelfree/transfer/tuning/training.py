"""A linear probe and the network under it, trained on together (LP-FT: Kumar et al. 2022, arXiv:2202.10054)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from labelfree.backbones.base import Backbone, without_dropout
from labelfree.training.optimisers import by_decay, by_layer
from labelfree.training.randomness import batch_rows, generator
from labelfree.training.timing import seconds_per_call
from labelfree.transfer.descent import Descent
from labelfree.transfer.protocols.base import Head
from labelfree.transfer.tuning.images import LabelledViews
from labelfree.transfer.undertrained import batch_of, stopped_falling

STEPS = 80  # where time is not short
BATCH = 32  # views a step, fewer of large ones
PIXELS = BATCH * 224 * 224  # of the inputs of a step, most
FEWEST = 4  # views a step, however large
WARM = 0.1  # of all steps, over which rates rise
RATE = 3e-3  # of AdamW, for the head
TRUNK_RATE = 3e-4  # for the network's last layer
LAYER_DECAY = 0.75  # of a transformer's rates, from layer to layer towards the input (Clark et al. 2020, arXiv:2003.10555)
FIRST_LAYER = 0.1  # of TRUNK_RATE, for the first layer of any other network
WEIGHT_DECAY = 0.01
MEMORY = 0.1  # of all steps: how far back the average of weights looks
CERTAIN = 1e4  # the bias of a class that no row is of, or every one, which has to be a number here: below 0, or above
TIMED = 3  # steps, the fastest of which tells how long one takes


@dataclass(frozen=True)
class Tuned:
    """A probe, and the network that it stands on where that was trained along. `losses`: of each step; `guess`: what guessing costs."""

    head: Head
    trunk: nn.Module | None = None
    losses: tuple[float, ...] = ()
    guess: float = 0.0

    def converged(self) -> bool:
        """Whether its loss had stopped falling (docs/protocol.md, 15), counted from what guessing costs: the probe's fall is part of it."""
        return not self.losses or stopped_falling(self.losses, begun=self.guess)


def tuned_at(views: LabelledViews, probe: Head, stops: Sequence[int], steps: int, seed: int) -> Iterator[Tuned]:
    """What a training of so many `steps` has come to after each of `stops`, rising; 0: the probe itself.

    Equal arguments give equal weights, whatever was drawn from torch's random numbers before. Raises TrainingError where the loss is no
    number.
    """
    training, losses = None, list[float]()
    for stop in stops:
        if stop == 0:
            yield Tuned(probe)
            continue
        training = training or FineTuning(views, probe, steps, seed)
        losses += [training.step(step, batch_of(step, steps)) for step in range(len(losses), stop)]
        yield training.averaged(losses)


def step_seconds(views: LabelledViews, probe: Head) -> float:
    """How long one step takes on this machine, by a few that are thrown away."""
    training = FineTuning(views, probe, STEPS, 0)
    return seconds_per_call(lambda step: training.step(step, step), TIMED)


def loss_of(logits: Tensor, classes: Tensor) -> Tensor:
    """Cross-entropy of (b, K) logits beside (b,) positions or (b, K) shares; beside sets, whole numbers 0 and 1, of each class apart."""
    if classes.ndim == 1 or classes.is_floating_point():
        return F.cross_entropy(logits, classes)
    return F.binary_cross_entropy_with_logits(logits, classes.float())


class Network(nn.Module):
    """A backbone and the probe on it: images (B, C, *size) -> (B, K) logits."""

    def __init__(self, trunk: Backbone, probe: Head) -> None:
        super().__init__()
        self.trunk, self.probe = trunk, deepcopy(probe)
        self.weight = nn.Parameter(probe.get_buffer("weight").clone())
        self.bias = nn.Parameter(probe.get_buffer("bias").clamp(-CERTAIN, CERTAIN))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(self.probe.prepared(self.trunk.embed(x).float()), self.weight, self.bias)


class FineTuning:
    """A network on its way; see `tuned_at`. BatchNorm keeps the statistics that the network came with, and nothing is dropped out."""

    def __init__(self, views: LabelledViews, probe: Head, steps: int, seed: int) -> None:
        self.views, self.steps, self.seed, self.device = views, steps, seed, torch.device(views.network.device)
        trunk: Any = deepcopy(views.network.network).requires_grad_(True)
        trunk.train()
        trunk.freeze_statistics()
        without_dropout(trunk)
        self.network = Network(trunk, probe).to(self.device)
        self.batch = max(FEWEST, min(BATCH, PIXELS // max(1, views.size) ** trunk.dims))
        self.descent = Descent(self._groups(), WARM, "finetune")
        self.average = AveragedModel(self.network, multi_avg_fn=get_ema_multi_avg_fn(max(0.0, 1 - 1 / (MEMORY * steps))))

    def step(self, step: int, batch: int) -> float:
        """Learn from one batch of views, by its number; its loss. Each image is in one before any is in another again."""
        rows = batch_rows(len(self.views), min(self.batch, len(self.views)), batch, self.seed)
        seen = self.views.inputs(rows, generator("views", self.seed, batch))  # outside autocast: pixels keep their precision
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            logits = self.network(seen)
        loss = loss_of(logits.float(), self.views.classes(rows).to(self.device))
        value = self.descent.step(loss, step, self.steps, self.views.entries[rows])
        self.average.update_parameters(self.network)
        return value

    @torch.no_grad()
    def averaged(self, losses: Sequence[float]) -> Tuned:
        """The running average of the weights, in evaluation mode, apart from what is trained on."""
        found: Any = deepcopy(self.average.module)
        tensors = dict(found.probe.named_buffers()) | {"weight": found.weight.detach(), "bias": found.bias.detach()}
        head = Head(found.probe.protocol, {name: tensor.cpu() for name, tensor in tensors.items()})
        kinds = len(found.bias) if self.views.targets.ndim == 1 or self.views.shares else 2
        return Tuned(head, found.trunk.eval().requires_grad_(False), tuple(losses), math.log(kinds))

    def _groups(self) -> list[dict[str, Any]]:
        """Parameters with their rates; the network's fall from its last layer to its first."""
        trunk, layers = self.network.trunk, self.network.trunk.param_groups()
        first = LAYER_DECAY ** (len(layers) - 1) if trunk.transformer else FIRST_LAYER
        head = by_decay([self.network.weight, self.network.bias], WEIGHT_DECAY, lr=RATE)
        return [*head, *by_layer(layers, WEIGHT_DECAY, TRUNK_RATE, first)]
