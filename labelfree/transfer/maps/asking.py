"""The asker of maps: heads are fitted on cached tiles of a budget's images and scored on whole images."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from labelfree.data.budgets import Budget
from labelfree.training.timing import Stopwatch
from labelfree.transfer.arms import is_baseline
from labelfree.transfer.asking import Asker, Trial
from labelfree.transfer.cells import Cell, CellKey
from labelfree.transfer.encoders import Encoder, network_of
from labelfree.transfer.maps.base import Fitted, MapProtocol
from labelfree.transfer.maps.features import Maps, Tiles, read_maps, shown_tiles
from labelfree.transfer.maps.learning import Learn
from labelfree.transfer.maps.prediction import PredictedMaps
from labelfree.transfer.maps.tiling import Tiling
from labelfree.transfer.selection import INNER_FOLDS, Folds
from labelfree.transfer.setup import Part, Setup
from labelfree.transfer.tasks.masks import Masks

if TYPE_CHECKING:
    from torch import Tensor


CELL_SECONDS = 30.0  # of a fit, at most, where a comparison's time is limited
FITTING = 0.7  # of that time, for heads that are trained by steps; others, reading and predicting have the rest
LEAST_STEPS = 20


class MapAsker(Asker[MapProtocol]):
    """Of protocols of maps; an encoder's maps are read when the first missing cell asks for them."""

    @cached_property
    def tiles(self) -> Tiles:
        """Of all images."""
        return Tiles(self.images, Tiling.of(self.images.index.shape.tolist()))

    @cached_property
    def maps(self) -> dict[int, Maps]:
        """By input size, those that were asked for."""
        return {}

    @property
    def masks(self) -> Masks:
        """What the pixels of each image show."""
        targets = self.question.targets
        assert isinstance(targets, Masks), "maps are learned from masks"
        return targets

    def compute(self, key: CellKey, protocol: MapProtocol, part: Part) -> Cell:
        rows, judge, seed = part.learn(key.budget), part.judge, part.draw
        size, inner = self.choose(protocol, rows, part.inner(key.budget) if len(self.sizes) > 1 else None, seed)
        seen = part.learn("all")
        fitted = self.fit(protocol, size, rows, seed, seen)
        scored = self._answers(fitted, size, judge)
        envelope = {}
        if is_baseline(key.arm):
            others = {
                other: self._answers(self.fit(protocol, other, rows, seed, seen), other, judge) for other in self.sizes if other != size
            }
            metrics = self.question.task.metrics_of(self.masks)
            envelope = {
                at: {name: metric.value(table) for name, metric in metrics.items()} for at, table in {size: scored, **others}.items()
            }
        return Cell(judge, scored, size, len(rows), protocol.preparation, protocol.default, inner, fitted.converged, envelope)

    @classmethod
    def points(cls, setup: Setup, protocol: MapProtocol) -> float:
        """Several sizes are searched in inner folds."""
        return sum((size / min(setup.sizes)) ** 2 for size in setup.sizes) * (1 + INNER_FOLDS) if len(setup.sizes) > 1 else 1.0

    @classmethod
    def planned_steps(cls, trial: Trial, protocols: Sequence[MapProtocol], seconds: float) -> dict[str, int]:
        """As many as let the heads of all arms take FITTING of the time together, and one of the slowest arm half a minute at most.

        Steps are timed on the labels of the largest budget.
        """
        slowest, total = dict[MapProtocol, float](), 0.0
        for protocol in protocols:
            for encoder in filter(protocol.suits, trial.encoders):
                asker, rows = cls._of(trial, encoder), trial.first.learn(trial.setup.budgets[-1])
                one = protocol.step_seconds(asker.learn(protocol, trial.smallest(encoder), rows, 0))
                if one is not None:
                    slowest[protocol] = max(slowest.get(protocol, 0.0), one)
                    total += one * trial.fits * cls.points(trial.setup, protocol)
        affordable = {protocol: min(CELL_SECONDS / one, FITTING * seconds / total) for protocol, one in slowest.items()}
        return {one.name: min(max(int(steps), LEAST_STEPS), one.steps or int(steps)) for one, steps in affordable.items()}

    @classmethod
    def reading_seconds(cls, trial: Trial, encoder: Encoder) -> float:
        """Measured by reading: the run needs these maps whatever is cut."""
        watch = Stopwatch()
        cls._of(trial, encoder)._at(trial.smallest(encoder))
        return watch.lap().seconds

    @classmethod
    def cell_seconds(cls, trial: Trial, protocols: Sequence[MapProtocol]) -> dict[tuple[MapProtocol, Budget], float]:
        """Measured on cells of the arm with the widest levels that suits a protocol, which the run keeps where nothing else is cut."""
        askers = [cls._of(trial, encoder) for encoder in trial.encoders]
        askers.sort(key=lambda asker: sum(asker._at(trial.smallest(asker.encoder)).widths), reverse=True)
        part, seconds = trial.first, dict.fromkeys(product(protocols, trial.setup.budgets), 0.0)
        for protocol, labels in seconds:
            widest = next((asker for asker in askers if protocol.suits(asker.encoder)), None)
            if widest is None:
                continue  # no arm is asked by it
            encoder, watch = widest.encoder, Stopwatch()
            key = CellKey(encoder.arm, encoder.backbone, encoder.seed, protocol.name, labels, part.draw, part.fold)
            widest.computed(key, protocol, part)  # not read: what an earlier start left takes no time
            seconds[protocol, labels] = watch.lap().seconds / cls.points(trial.setup, protocol)
        return seconds

    @classmethod
    def _of(cls, trial: Trial, encoder: Encoder) -> MapAsker:
        return cls(trial.question, encoder, trial.setup, trial.images, trial.folder, trial.say, None)

    def choose(self, protocol: MapProtocol, rows: np.ndarray, folds: Folds | None, seed: int) -> tuple[int, float | None]:
        """The input size for a head learned from `rows`, and its score in the `folds` inside them: of equals the smaller one.

        The recipe's first where there is one size alone, or no folds: the labels are too few.
        """
        if len(self.sizes) == 1 or folds is None:
            return self.sizes[0], None
        scores = {size: self._inner(protocol, size, folds, rows, seed) for size in self.sizes}
        sign = self.question.task.metrics[self.setup.metric].sign
        size = max(sorted(scores), key=lambda size: sign * scores[size])
        return size, scores[size]

    def fit(self, protocol: MapProtocol, size: int, rows: np.ndarray, seed: int, seen: np.ndarray | None = None) -> Fitted:
        """A head learned from the images `rows` at one input size. `seen`: images that may be looked at without their labels."""
        return protocol.fit(self.learn(protocol, size, rows, seed, seen))

    def learn(self, protocol: MapProtocol, size: int, rows: np.ndarray, seed: int, seen: np.ndarray | None = None) -> Learn:
        """What a head is given of the images `rows`."""
        network = network_of(self.encoder)
        steps = self.setup.steps.get(protocol.name)
        return Learn(network, self._at(size), self.tiles, self.masks.load, rows, self.masks.width, size, steps, seed, seen=seen)

    def predicted(self, fitted: Fitted, size: int, rows: np.ndarray) -> PredictedMaps:
        """What a head says of the images `rows`."""
        network, trunk = network_of(self.encoder), fitted.trunk
        device = next(iter(fitted.head.state_dict().values())).device

        def levels(tiles: np.ndarray) -> list[Tensor]:
            straight = np.zeros(len(tiles), bool)
            if trunk is None:
                return [level.to(device) for level in self._at(size).levels(tiles, straight)]
            assert network is not None
            seen: list[Tensor] = trunk.eval().pyramid(shown_tiles(network, self.tiles, tiles, straight, size))  # type: ignore[operator]
            return seen

        return PredictedMaps(fitted, self.tiles.tiling, rows, levels)

    def _answers(self, fitted: Fitted, size: int, rows: np.ndarray) -> pa.Table:
        return self.question.task.answers(self.predicted(fitted, size, rows), self.question.targets[rows])

    def _inner(self, protocol: MapProtocol, size: int, folds: Folds, rows: np.ndarray, seed: int) -> float:
        """The cross-validated score of one input size."""
        parts = [self._answers(self.fit(protocol, size, rows[learn], seed), size, rows[judge]) for learn, judge in folds]
        return self.question.task.metrics[self.setup.metric].value(pa.concat_tables(parts))

    def _at(self, size: int) -> Maps:
        if size not in self.maps:
            self.maps[size] = read_maps(self.encoder, self.tiles, size, self.folder / "features", self.say, self.question.images)
        return self.maps[size]
