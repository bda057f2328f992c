"""One training for both costs of a task: of a head on features that are kept, or of the network along with it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from labelfree.backbones.base import Backbone, without_dropout
from labelfree.errors import TrainingError
from labelfree.training.optimisers import by_decay, by_layer
from labelfree.training.randomness import batch_rows, mixed
from labelfree.training.schedules import warm_cosine
from labelfree.training.timing import seconds_per_call
from labelfree.transfer.maps.base import Fitted
from labelfree.transfer.maps.decoders import AUTO, Decoder, decoder_of
from labelfree.transfer.maps.learning import Learn
from labelfree.transfer.maps.losses import class_weights, segmentation_loss
from labelfree.transfer.undertrained import batch_of, stopped_falling

BATCH = 8  # tiles a step
STEPS = 120  # where none are given
WARM = 0.05  # of all steps, over which rates rise
RATE = 2e-3  # of AdamW, for the head
TRUNK_RATE = 2e-4  # for the network's last layer
FIRST_LAYER = 0.1  # of TRUNK_RATE, for its first one; between them rates fall by the same factor from layer to layer
WEIGHT_DECAY = 0.01
MEASURED = 64  # tiles, most that channels are scaled by
TIMED = 3  # steps, the fastest of which tells how long one takes


def train(learn: Learn, with_trunk: bool, decoder: str = AUTO) -> Fitted:
    """Train a head, and with `with_trunk` the network, and keep the last step's weights.

    Equal `learn` give equal weights, whatever was drawn from torch's random numbers before. `decoder`: a key of DECODERS, or AUTO.
    Raises DataError where no pixel is known, TrainingError where the loss is no number.
    """
    steps = learn.steps or STEPS
    training = MapTraining(learn, with_trunk, decoder)
    losses = [training.step(step, steps, batch_of(step, steps)) for step in range(steps)]
    trunk = None if training.trunk is None else training.trunk.eval()
    return Fitted(training.head.eval(), trunk, stopped_falling(losses))


def step_seconds(learn: Learn, with_trunk: bool, decoder: str = AUTO) -> float:
    """How long one step takes on this machine, by a few that are thrown away."""
    training = MapTraining(learn, with_trunk, decoder)
    return seconds_per_call(lambda step: training.step(step, 1 + TIMED, step), TIMED)


class MapTraining:
    """A head on its way, and the network where it is trained along; see `train`."""

    def __init__(self, learn: Learn, with_trunk: bool, decoder: str = AUTO) -> None:
        self.learn, self.tiles = learn, learn.tiles
        self.trunk: Backbone | None = None
        if with_trunk:
            self.trunk = cast(Backbone, learn.trunk()).requires_grad_(True)
            self.trunk.train()
            self.trunk.freeze_statistics()
            without_dropout(self.trunk)
        self.weights = class_weights((learn.masks(*rows) for rows in as_they_are(self.tiles)), learn.width).to(learn.device)
        self.head = self._fresh_head(decoder)
        self.optimiser = torch.optim.AdamW(self._groups())
        self.rates = [group["lr"] for group in self.optimiser.param_groups]

    def step(self, step: int, steps: int, batch: int) -> float:
        """Learn from one batch of tiles and mirror images, by its number; its loss. Each is in one before any is in another again."""
        for group, rate in zip(self.optimiser.param_groups, self.rates, strict=True):
            group["lr"] = rate * warm_cosine(step, steps, round(WARM * steps))
        count = 2 * len(self.tiles)
        position, mirrored = np.divmod(batch_rows(count, min(BATCH, count), batch, self.learn.seed), 2)
        tiles, turned = self.tiles[position], mirrored == 1
        device = self.learn.device
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            logits = self.head(self._levels(tiles, turned), self.learn.shape)
        loss = segmentation_loss(logits, self.learn.masks(tiles, turned).to(device), self.weights)
        value = float(loss.detach())
        if not math.isfinite(value):
            images = ", ".join(map(str, sorted({int(self.learn.all_tiles.tiling.image[tile]) for tile in tiles})))
            raise TrainingError(
                f"segmentation: the loss is {value} at step {step + 1} of {steps}; look for infinite values in the labelled images (those "
                f"in places {images} of the pool)."
            )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        return value

    def _levels(self, tiles: np.ndarray, mirrored: np.ndarray) -> list[Tensor]:
        """What the head is given: kept features, or those of the network as it is now."""
        if self.trunk is None:
            return [level.to(self.learn.device) for level in self.learn.levels(tiles, mirrored)]
        return self.trunk.pyramid(self.learn.inputs(tiles, mirrored))

    @torch.no_grad()
    def _fresh_head(self, decoder: str) -> Decoder:
        """A head that knows the scale of every channel in the budget's tiles."""
        spread = self.tiles[np.unique(np.linspace(0, len(self.tiles) - 1, MEASURED).round().astype(int))]
        batches = [self._levels(*rows) for rows in as_they_are(spread)]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(mixed("decoder", self.learn.seed))
            head = decoder_of(batches[0], self.learn.shape, self.learn.width, decoder)
        head.to(self.learn.device).measure(batches)
        return head

    def _groups(self) -> list[dict[str, Any]]:
        """Parameters with their rates; the network's fall from its last layer to its first."""
        layers = [] if self.trunk is None else self.trunk.param_groups()
        head = by_decay(list(self.head.parameters()), WEIGHT_DECAY, lr=RATE)
        return [*head, *by_layer(layers, WEIGHT_DECAY, TRUNK_RATE, FIRST_LAYER)]


def as_they_are(tiles: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches of tiles, none mirrored."""
    for start in range(0, len(tiles), BATCH):
        part = tiles[start : start + BATCH]
        yield part, np.zeros(len(part), bool)
