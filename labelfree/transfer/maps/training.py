"""One training for both costs of a task: of a head on features that are kept, or of the network along with it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labelfree.backbones.base import Backbone, without_dropout
from labelfree.errors import TrainingError
from labelfree.training.optimisers import by_decay
from labelfree.training.randomness import batch_rows, mixed
from labelfree.training.schedules import warm_cosine
from labelfree.training.timing import Stopwatch, fastest
from labelfree.transfer.maps.base import Fitted, Learn
from labelfree.transfer.maps.decoders import AUTO, WIDTH, Decoder, decoder_of
from labelfree.transfer.maps.losses import class_weights, segmentation_loss

BATCH = 8  # tiles a step
STEPS = 120  # of a fit whose time is not limited
LEAST_STEPS = 20
WARM = 0.05  # of all steps, over which rates rise
RATE = 2e-3  # of AdamW, for the head
TRUNK_RATE = 2e-4  # for the network's last layer
FIRST_LAYER = 0.1  # of TRUNK_RATE, for its first one; between them rates fall by the same factor from layer to layer
WEIGHT_DECAY = 0.01
MEASURED = 64  # tiles, most that channels are scaled by
TIMED = 3  # steps, the fastest of which tells how long one takes
TAIL = 0.1  # of all steps, over which the loss is averaged at the end
STILL_FALLS = 0.02  # of its total fall: a loss that falls by more from tail to tail is undertrained


def train(learn: Learn, with_trunk: bool, decoder: str = AUTO, width: int = WIDTH) -> Fitted:
    """Train a head, and with `with_trunk` the network, for the planned steps; keep the last step's weights.

    Equal `learn` give equal weights, whatever was drawn from torch's random numbers before. `decoder`: a key of DECODERS, or AUTO; `width`:
    most of its channels. Raises DataError where no pixel is known, TrainingError where the loss is no number.
    """
    steps = learn.steps or planned_steps(learn, with_trunk, decoder, width)
    training = MapTraining(learn, with_trunk, decoder, width)
    losses = [training.step(step, steps) for step in range(steps)]
    trunk = None if training.trunk is None else training.trunk.eval()
    return Fitted(training.head.eval(), trunk, stopped_falling(losses))


def planned_steps(learn: Learn, with_trunk: bool, decoder: str = AUTO, width: int = WIDTH) -> int:
    """As many of STEPS as `learn.seconds` have time for."""
    if learn.seconds is None:
        return STEPS
    return min(max(int(learn.seconds / seconds_per_step(learn, with_trunk, decoder, width)), LEAST_STEPS), STEPS)


def seconds_per_step(learn: Learn, with_trunk: bool, decoder: str = AUTO, width: int = WIDTH) -> float:
    """How long one step takes on this machine, by a few that are thrown away."""
    training, watch, laps = MapTraining(learn, with_trunk, decoder, width), Stopwatch(), []
    for step in range(1 + TIMED):
        training.step(step, 1 + TIMED)
        laps.append(watch.lap())
    return fastest(laps[1:]).seconds  # the first one also finds out how to compute


def stopped_falling(losses: Sequence[float]) -> bool:
    """Whether a loss had come to its end (PROTOCOL 15): its mean over the last tenth of the steps is not below that of the tenth before
    by more than 2 % of its fall since the first step. A loss that never fell has learnt nothing and has not."""
    tail = max(1, round(TAIL * len(losses)))
    before, last = losses[-2 * tail : -tail], losses[-tail:]
    if not before:
        return False
    fall = losses[0] - fmean(last)
    return fall > 0 and fmean(before) - fmean(last) <= STILL_FALLS * fall


class MapTraining:
    """A head on its way, and the network where it is trained along; see `train`."""

    def __init__(self, learn: Learn, with_trunk: bool, decoder: str = AUTO, width: int = WIDTH) -> None:
        self.learn = learn
        self.device = torch.device(learn.device)
        self.trunk: Backbone | None = None
        if with_trunk and learn.trunk is not None:
            self.trunk = learn.trunk().to(self.device).requires_grad_(True)
            self.trunk.train()
            self.trunk.freeze_statistics()
            without_dropout(self.trunk)
        self.weights = class_weights((learn.masks(*rows) for rows in self._passes(learn.tiles)), learn.width).to(self.device)
        self.head = self._fresh_head(decoder, width)
        self.optimiser = torch.optim.AdamW(self._groups())
        self.rates = [group["lr"] for group in self.optimiser.param_groups]

    def step(self, step: int, steps: int) -> float:
        """Learn from one batch, tiles and mirror images; its loss."""
        for group, rate in zip(self.optimiser.param_groups, self.rates, strict=True):
            group["lr"] = rate * warm_cosine(step, steps, round(WARM * steps))
        tiles = self.learn.tiles
        batch = min(BATCH, 2 * len(tiles))
        position, mirrored = np.divmod(batch_rows(2 * len(tiles), batch, step, self.learn.seed), 2)
        rows = tiles[position], torch.from_numpy(mirrored == 1)
        masks = self.learn.masks(*rows).to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            logits = self.head(self._levels(*rows), self.learn.shape)
        loss = segmentation_loss(logits, masks, self.weights)
        value = float(loss.detach())
        if not math.isfinite(value):
            shown = ", ".join(map(str, sorted(set(rows[0].tolist()))))
            raise TrainingError(
                f"segmentation: the loss is {value} at step {step + 1} of {steps} (tiles {shown}); look for infinite pixels there."
            )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        return value

    def _levels(self, tiles: np.ndarray, mirrored: Tensor) -> list[Tensor]:
        """What the head is given: kept features, or those of the network as it is now, behind the kept ones that it does not give."""
        if self.trunk is None:
            return [level.to(self.device) for level in self.learn.levels(tiles, mirrored)]
        found = self.trunk.pyramid(self.learn.inputs(tiles, mirrored).to(self.device))
        beside = len(self.learn.widths) - len(found)
        kept = self.learn.levels(tiles, mirrored)[:beside] if beside else []
        return [*(level.to(self.device) for level in kept), *found]

    @torch.no_grad()
    def _fresh_head(self, decoder: str, width: int) -> Decoder:
        """A head that knows the scale of every channel in the budget's tiles."""
        tiles = self.learn.tiles
        spread = tiles[np.unique(np.linspace(0, len(tiles) - 1, MEASURED).round().astype(int))]
        batches = [self._levels(*rows) for rows in self._passes(spread)]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(mixed("decoder", self.learn.seed))
            head = decoder_of(batches[0], self.learn.shape, self.learn.width, decoder, width).to(self.device)
        head.measure(batches)
        return head

    def _passes(self, tiles: np.ndarray) -> Iterator[tuple[np.ndarray, Tensor]]:
        """Each tile once, as it is."""
        for start in range(0, len(tiles), BATCH):
            part = tiles[start : start + BATCH]
            yield part, torch.zeros(len(part), dtype=torch.bool)

    def _groups(self) -> list[dict[str, Any]]:
        """Parameters with their rates; the network's fall from its last layer to its first."""
        groups = by_decay(list(self.head.parameters()), WEIGHT_DECAY, lr=RATE)
        layers = [] if self.trunk is None else self.trunk.param_groups()
        for layer, parameters in enumerate(layers, start=1):
            groups += by_decay(parameters, WEIGHT_DECAY, lr=TRUNK_RATE * FIRST_LAYER ** ((len(layers) - layer) / len(layers)))
        return groups
