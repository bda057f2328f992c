"""One training for both costs of a task: of a head on features that are kept, or of the network along with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from math import prod
from typing import Any, Generic, TypeVar, cast

import numpy as np
import torch
from torch import Tensor

from labelfree.backbones.base import Backbone, without_dropout
from labelfree.training.optimisers import by_decay, by_layer
from labelfree.training.randomness import batch_rows, generator, mixed
from labelfree.training.timing import seconds_per_call
from labelfree.transfer.descent import Descent
from labelfree.transfer.tiles.base import Fitted
from labelfree.transfer.tiles.learning import LearnTiles
from labelfree.transfer.tiles.scaled_levels import ScaledLevels
from labelfree.transfer.tiles.views import AS_THEY_ARE, TileDraw, TileViews
from labelfree.transfer.undertrained import batch_of, stopped_falling

L = TypeVar("L", bound=LearnTiles)
H = TypeVar("H", bound=ScaledLevels)
BATCH = 8  # tiles a step
MOST_PIXELS = 2**21  # of a step's tiles: eight of 512 x 512 pixels or 64 x 64 x 64 voxels, two of 96 x 96 x 96
WARM = 0.05  # of all steps, over which rates rise
RATE = 2e-3  # of AdamW, for the head
TRUNK_RATE = 2e-4  # for the network's last layer
FIRST_LAYER = 0.1  # of TRUNK_RATE, for its first one; between them rates fall by the same factor from layer to layer
WEIGHT_DECAY = 0.01
MEASURED = 8  # batches of tiles, most that channels are scaled by
TIMED = 3  # steps, the fastest of which tells how long one takes


class TileTraining(Generic[L, H]):
    """A head on its way, and the network where it is trained along. `tiles`: numbers of those it learns from. `named`: in messages.

    Equal `learn` give equal weights, whatever was drawn from torch's random numbers before.
    """

    named: str

    def __init__(self, learn: L, with_trunk: bool) -> None:
        self.learn, self.tiles = learn, self.learned_tiles(learn)
        self.trunk: Backbone | None = None
        self.views: TileViews | None = None
        if with_trunk:
            assert learn.network is not None
            self.views = TileViews(learn.network, learn.shape)
            self.trunk = cast(Backbone, learn.trunk()).requires_grad_(True)
            self.trunk.train()
            self.trunk.freeze_statistics()
            without_dropout(self.trunk)
        self.head = self._fresh_head()
        self.descent = Descent(self._groups(), WARM, self.named)

    def learned_tiles(self, learn: L) -> np.ndarray:
        """(t,) numbers of the tiles of one pass over them."""
        return learn.tiles

    def fresh_head(self, levels: list[Tensor]) -> H:
        """A head for levels like these. Its weights come from torch's random numbers."""
        raise NotImplementedError

    def loss(self, levels: list[Tensor], tiles: np.ndarray, mirrored: np.ndarray, drawn: TileDraw) -> Tensor:
        """Of one batch of tiles and mirror images, in the views of them that were drawn."""
        raise NotImplementedError

    def changed(self, levels: list[Tensor]) -> list[Tensor]:
        """What the head is given of a network's pyramid."""
        return levels

    def run(self, steps: int) -> Fitted[H]:
        """Train for so many steps and keep the last one's weights. Raises TrainingError where the loss is no number."""
        self.prepare(steps)
        losses = [self.step(step, steps, batch_of(step, steps)) for step in range(steps)]
        trunk = None if self.trunk is None else self.trunk.eval()
        return Fitted(self.head.eval(), trunk, stopped_falling(losses))

    def step(self, step: int, steps: int, batch: int) -> float:
        """Learn from one batch of tiles and mirror images, by its number; its loss. Each is in one before any is in another again."""
        tiles, turned = self.batch(batch)
        drawn = AS_THEY_ARE if self.views is None else self.views.draw(len(tiles), generator("tile views", self.learn.seed, batch))
        loss = self.loss(self._levels(tiles, turned, drawn), tiles, turned, drawn)
        return self.descent.step(loss, step, steps, self.learn.all_tiles.tiling.image[tiles])

    def batch(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Tiles by their numbers, and which of them are mirrored."""
        count = 2 * len(self.tiles)
        position, mirrored = np.divmod(batch_rows(count, min(self.batch_size, count), number, self.learn.seed), 2)
        return self.tiles[position], mirrored == 1

    @property
    def batch_size(self) -> int:
        """Tiles a step."""
        return tiles_at_once(self.learn.shape)

    def prepare(self, steps: int) -> None:
        """Have the features that so many steps ask for."""
        if self.trunk is None:
            tiles, turned = map(np.concatenate, zip(*map(self.batch, range(steps)), strict=True))
            self.learn.maps.read(tiles[~turned], tiles[turned])

    def _levels(self, tiles: np.ndarray, mirrored: np.ndarray, drawn: TileDraw = AS_THEY_ARE) -> list[Tensor]:
        """What the head is given: kept features, or those of the network as it is now."""
        if self.trunk is None:
            return [level.to(self.learn.device) for level in self.learn.levels(tiles, mirrored)]
        seen = self.learn.inputs(tiles, mirrored, drawn)  # outside autocast: pixels keep their precision
        with self.half_precision():
            return self.changed(self.trunk.pyramid(seen))

    def half_precision(self) -> torch.autocast:
        """Within, where there is a GPU."""
        device = self.learn.device.type
        return torch.autocast(device, torch.bfloat16, enabled=device == "cuda")

    @torch.no_grad()
    def _fresh_head(self) -> H:
        """A head that knows the scale of every channel in the budget's tiles."""
        tiles = np.unique(self.tiles)
        spread = tiles[np.unique(np.linspace(0, len(tiles) - 1, MEASURED * self.batch_size).round().astype(int))]
        if self.trunk is None:
            self.learn.maps.read(spread, spread[:0])
        batches = (self._levels(*rows) for rows in as_they_are(spread, self.batch_size))  # one at a time in memory
        first = next(batches)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(mixed("decoder", self.learn.seed))
            head = self.fresh_head(first)
        head.to(self.learn.device).measure(chain([first], batches))
        return head

    def _groups(self) -> list[dict[str, Any]]:
        """Parameters with their rates; the network's fall from its last layer to its first."""
        layers = [] if self.trunk is None else self.trunk.param_groups()
        head = by_decay(list(self.head.parameters()), WEIGHT_DECAY, lr=RATE)
        return [*head, *by_layer(layers, WEIGHT_DECAY, TRUNK_RATE, FIRST_LAYER)]


def step_seconds(make: Callable[[], TileTraining[Any, Any]]) -> float:
    """How long one step takes on this machine, by a few that are thrown away."""
    training = make()
    training.prepare(1 + TIMED)
    return seconds_per_call(lambda step: training.step(step, 1 + TIMED, step), TIMED)


def tiles_at_once(shape: Sequence[int]) -> int:
    """How many tiles of `shape` are learned from together: BATCH, fewer where they are large, as in volumes."""
    return max(1, min(BATCH, MOST_PIXELS // prod(shape)))


def as_they_are(tiles: np.ndarray, batch: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches of tiles, none mirrored."""
    for start in range(0, len(tiles), batch):
        part = tiles[start : start + batch]
        yield part, np.zeros(len(part), bool)
