"""What askers of features on tiles share: heads are fitted on cached tiles of a budget's images and scored on whole images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import product
from typing import Any, ClassVar, TypeVar

import numpy as np
import pyarrow as pa
from torch import Tensor

from labelfree.data.budgets import Budget
from labelfree.training.timing import Stopwatch
from labelfree.transfer.arms import is_baseline
from labelfree.transfer.asking import Asker, Trial
from labelfree.transfer.cells import Cell, CellKey
from labelfree.transfer.encoders import Encoder, network_of
from labelfree.transfer.selection import HALVES, INNER_FOLDS, Folds, inner_halves
from labelfree.transfer.setup import Part, Setup
from labelfree.transfer.tiles.base import Fitted, TileProtocol
from labelfree.transfer.tiles.features import Tiles, read_maps, shown_tiles
from labelfree.transfer.tiles.learning import CachedLevels, LearnTiles
from labelfree.transfer.tiles.tiling import Tiling

P = TypeVar("P", bound=TileProtocol[Any, Any])
Levels = Callable[[np.ndarray], list[Tensor]]  # of tiles by their numbers, on the head's device


class TileAsker(Asker[P]):
    """Of protocols of features on tiles, which are read when the first missing cell asks for them."""

    longest: ClassVar[float] = 30.0

    @cached_property
    def tiles(self) -> Tiles:
        """Of all images."""
        return Tiles(self.images, Tiling.of_pool(self.images.index))

    @cached_property
    def maps(self) -> dict[int, CachedLevels]:
        """By input size, those that were asked for."""
        return {}

    def learn(self, protocol: P, size: int, rows: np.ndarray, seed: int, seen: np.ndarray | None = None) -> LearnTiles:
        """What a head is given of the images `rows`. `seen`: images that may be looked at without their labels."""
        raise NotImplementedError

    def predicted(self, fitted: Fitted[Any], size: int, rows: np.ndarray) -> Any:
        """What a head says of the images `rows`, one after the other, as the task takes it."""
        raise NotImplementedError

    def read(self, size: int) -> CachedLevels:
        """The features at one input size."""
        return read_maps(self.encoder, self.tiles, size, self.folder / "features", self.say, self.question.images)

    def changed(self, levels: list[Tensor]) -> list[Tensor]:
        """What heads are given of a network's pyramid."""
        return levels

    def cell(self, key: CellKey, protocol: P, part: Part) -> Cell:
        """With answers that are held out, where it is told what a threshold does; they cost two trainings more."""
        cell, rule = super().cell(key, protocol, part), self.setup.alarm
        asked = rule is not None and rule.told_of(key) and cell.held is None
        folds = self.apart(part.learn(key.budget), part.seed) if asked else None
        if folds is None:
            return cell
        rows = part.learn(key.budget)
        held = self.held_out(protocol, cell.size, rows, folds, part.draw)
        return self.written(key, protocol, replace(cell, held_rows=rows, held=held))

    def compute(self, key: CellKey, protocol: P, part: Part) -> Cell:
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
            metrics = self.question.task.metrics_of(self.question.targets)
            envelope = {
                at: {name: metric.value(table) for name, metric in metrics.items()} for at, table in {size: scored, **others}.items()
            }
        return Cell(judge, scored, size, len(rows), protocol.preparation, protocol.default, inner, fitted.converged, envelope)

    @classmethod
    def points(cls, setup: Setup, protocol: P) -> float:
        """Several sizes are searched in inner folds; two halves are held out where a threshold is told of, at the largest at most."""
        largest = setup.times(max(setup.sizes)) if setup.sizes else 1.0
        return cls._searched(setup) + HALVES * setup.share_told_of(protocol) * largest

    @staticmethod
    def _searched(setup: Setup) -> float:
        """The same of what a cell is scored by."""
        return sum(map(setup.times, setup.sizes)) * (1 + INNER_FOLDS) if len(setup.sizes) > 1 else 1.0

    @classmethod
    def step_seconds(cls, trial: Trial, protocols: Sequence[P]) -> dict[P, list[float]]:
        """Timed on the labels of the largest budget."""
        timed: dict[P, list[float]] = {}
        for protocol in protocols:
            for encoder in filter(protocol.suits, trial.encoders):
                asker, rows = cls._of(trial, encoder), trial.first.learn(trial.setup.budgets[-1])
                one = protocol.step_seconds(asker.learn(protocol, trial.smallest(encoder), rows, 0))
                if one is not None:
                    timed.setdefault(protocol, []).append(one)
        return timed

    @classmethod
    def reading_seconds(cls, trial: Trial, encoder: Encoder) -> float:
        """Measured by reading: the run needs these features whatever is cut."""
        watch = Stopwatch()
        cls._of(trial, encoder).at(trial.smallest(encoder))
        return watch.lap().seconds

    @classmethod
    def cell_seconds(cls, trial: Trial, protocols: Sequence[P]) -> dict[tuple[P, Budget], float]:
        """Measured on cells of the arm with the widest levels that suits a protocol, which the run keeps where nothing else is cut."""
        askers = [cls._of(trial, encoder) for encoder in trial.encoders]
        askers.sort(key=lambda asker: sum(asker.at(trial.smallest(asker.encoder)).widths), reverse=True)
        part, seconds = trial.first, dict.fromkeys(product(protocols, trial.setup.budgets), 0.0)
        for protocol, labels in trial.say.track(list(seconds), "timing heads"):
            widest = next((asker for asker in askers if protocol.suits(asker.encoder)), None)
            if widest is None:
                continue  # no arm is asked by it
            encoder, watch = widest.encoder, Stopwatch()
            key = CellKey(encoder.arm, encoder.backbone, encoder.seed, protocol.name, labels, part.draw, part.fold)
            widest.computed(key, protocol, part)  # not read: what an earlier start left takes no time
            seconds[protocol, labels] = watch.lap().seconds / cls._searched(trial.setup)
        return seconds

    @classmethod
    def _of(cls, trial: Trial, encoder: Encoder) -> TileAsker[P]:
        return cls(trial.question, encoder, trial.setup, trial.images, trial.folder, trial.say, None)

    def choose(self, protocol: P, rows: np.ndarray, folds: Folds | None, seed: int) -> tuple[int, float | None]:
        """The input size for a head learned from `rows`, and its score in the `folds` inside them: of equals the smaller one.

        The recipe's first where there is one size alone, or no folds: the labels are too few.
        """
        if len(self.sizes) == 1 or folds is None:
            return self.sizes[0], None
        scores = {size: self._inner(protocol, size, folds, rows, seed) for size in self.sizes}
        sign = self.question.task.metrics[self.setup.metric].sign
        size = max(sorted(scores), key=lambda size: sign * scores[size])
        return size, scores[size]

    def fit(self, protocol: P, size: int, rows: np.ndarray, seed: int, seen: np.ndarray | None = None) -> Fitted[Any]:
        """A head learned from the images `rows` at one input size. `seen`: images that may be looked at without their labels."""
        fitted: Fitted[Any] = protocol.fit(self.learn(protocol, size, rows, seed, seen))
        return fitted

    def apart(self, rows: np.ndarray, seed: int) -> Folds | None:
        """The folds in which answers for labelled `rows` are held out, the same for every arm; None where they allow none."""
        return inner_halves(self.question, rows, seed)

    def held_out(self, protocol: P, size: int, rows: np.ndarray, folds: Folds, seed: int) -> pa.Table:
        """Answers for the images `rows`, in their order, each of a head learned from the other fold's."""
        answers = self._of_folds(protocol, size, rows, folds, seed)
        return answers.take(np.argsort(np.concatenate([judge for _, judge in folds])))

    def levels_of(self, fitted: Fitted[Any], size: int) -> Levels:
        """What a fitted head sees of tiles: kept features, or those of the network that was trained along with it."""
        network, trunk = network_of(self.encoder), fitted.trunk
        device = next(iter(fitted.head.state_dict().values())).device

        def levels(tiles: np.ndarray) -> list[Tensor]:
            straight = np.zeros(len(tiles), bool)
            if trunk is None:
                return [level.to(device) for level in self.at(size).levels(tiles, straight)]
            assert network is not None
            return self.changed(trunk.eval().pyramid(shown_tiles(network, self.tiles, tiles, straight, size)))  # type: ignore[operator]

        return levels

    def at(self, size: int) -> CachedLevels:
        """The features at one input size, read once."""
        if size not in self.maps:
            self.maps[size] = self.read(size)
        return self.maps[size]

    def _answers(self, fitted: Fitted[Any], size: int, rows: np.ndarray) -> pa.Table:
        return self.question.task.answers(self.predicted(fitted, size, rows), self.question.targets[rows])

    def _inner(self, protocol: P, size: int, folds: Folds, rows: np.ndarray, seed: int) -> float:
        """The cross-validated score of one input size."""
        return self.question.task.metrics[self.setup.metric].value(self._of_folds(protocol, size, rows, folds, seed))

    def _of_folds(self, protocol: P, size: int, rows: np.ndarray, folds: Folds, seed: int) -> pa.Table:
        """What heads learned from the rest of the images `rows` say of each fold, one after the other."""
        parts = [self._answers(self.fit(protocol, size, rows[learn], seed), size, rows[judge]) for learn, judge in folds]
        return pa.concat_tables(parts)
