"""The asker of fine-tuning: how long to train is chosen inside a budget, on the half of its labels that was held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labelfree.data.budgets import Budget
from labelfree.transfer.asking import Trial, VectorAsker, search_among
from labelfree.transfer.cells import Cell, CellKey
from labelfree.transfer.encoders import Encoder, NetworkEncoder, network_of
from labelfree.transfer.heads import train_head
from labelfree.transfer.protocols import HeadProtocol
from labelfree.transfer.selection import Choice, Folds
from labelfree.transfer.setup import Part, Setup
from labelfree.transfer.tuning.images import LabelledViews
from labelfree.transfer.tuning.training import STEPS, Tuned, step_seconds, tuned_at

HALVES = 2  # in which the number of steps is chosen
STOPS = (0.0, 0.25, 0.5, 1.0)  # of all steps, at which the held-out half is looked at; 0: the probe alone
UNSTOPPED = 0.5  # of all steps, where labels are too few to hold any out


@dataclass(frozen=True)
class Chosen:
    """What the labels of one budget came to. `probe`: its input size, preparation and penalty. `steps`: how many were taken, 0: the probe
    alone. `inner`, `held`: the score and the answers (n, K) of the held-out halves, None where labels were too few to hold any out.
    """

    tuned: Tuned
    probe: Choice
    steps: int
    inner: float | None
    held: np.ndarray | None
    converged: bool


class ImageAsker(VectorAsker):
    """Of protocols that train the network along, on images; what its probe sees is read once."""

    @property
    def network(self) -> NetworkEncoder:
        """That is trained; a protocol suits no other arm."""
        found = network_of(self.encoder)
        assert found is not None, "only a network can be trained"
        return found

    def compute(self, key: CellKey, protocol: HeadProtocol, part: Part) -> Cell:
        task, targets, rows, judge = self.question.task, self.question.targets, part.learn(key.budget), part.judge
        chosen = self.learn(protocol, rows, part.inner(key.budget), part.draw)
        scored = task.answers(self.outputs(chosen.tuned, chosen.probe.size, judge), targets[judge])
        held = None if chosen.held is None else task.answers(chosen.held, targets[rows])
        probe = chosen.probe
        return Cell(
            judge, scored, probe.size, len(rows), probe.preparation, chosen.steps, chosen.inner, chosen.converged, {}, rows, held
        )  # fmt: skip

    def learn(self, protocol: HeadProtocol, rows: np.ndarray, folds: Folds | None, seed: int) -> Chosen:
        """The probe that the labelled `rows` choose, then as many steps as its held-out halves gain from; of equals the fewest."""
        task, targets, steps = self.question.task, self.question.targets[rows], self.setup.steps.get(protocol.name, STEPS)
        learn = {size: self._at(size)[rows] for size in self.sizes}
        search = search_among(rows, self.question, self.setup, protocol, None)
        probe = search.best(search.choose(learn, self.encoder.blocks, targets, folds), self.sizes)
        everything = np.arange(len(rows))
        if folds is None:
            stop = max(1, round(UNSTOPPED * steps))
            tuned = self._tuned(protocol, rows, everything, probe, [stop], stop, seed)[0]
            return Chosen(tuned, probe, stop, None, None, tuned.converged())
        stops = sorted({round(share * steps) for share in STOPS})
        held = {stop: np.zeros((len(rows), targets.width), np.float32) for stop in stops}
        for part, judge in halves(folds):
            for stop, tuned in zip(stops, self._tuned(protocol, rows, part, probe, stops, steps, seed), strict=True):
                held[stop][judge] = self.outputs(tuned, probe.size, rows[judge])
        metric = task.metrics[self.setup.metric]
        scores = {stop: metric.value(task.answers(output, targets)) for stop, output in held.items()}
        best = max(stops, key=lambda stop: metric.sign * scores[stop])
        tuned = self._tuned(protocol, rows, everything, probe, [best], steps, seed)[0]
        return Chosen(tuned, probe, best, scores[best], held[best], best < steps or tuned.converged())

    def outputs(self, tuned: Tuned, size: int, rows: np.ndarray) -> np.ndarray:
        """(m, K) float32 scores of the images `rows`."""
        if tuned.trunk is None:
            features = self._at(size)[rows]
        else:
            network = self.network
            encoder = NetworkEncoder(network.arm, tuned.trunk, network.prepare, (size,), network.seed, device=network.device)
            features = encoder.features(self.images, rows.tolist(), size)
        scores: np.ndarray = tuned.head(features).numpy()
        return scores

    def _tuned(
        self, protocol: HeadProtocol, rows: np.ndarray, part: np.ndarray, probe: Choice, stops: Sequence[int], steps: int, seed: int
    ) -> list[Tuned]:
        """After each of `stops`, learned from a part of the labelled `rows`, by its positions among them."""
        features, targets = self._at(probe.size)[rows[part]], self.question.targets[rows[part]]
        head = train_head(features, targets, protocol, probe, self.encoder.blocks, self.setup.grid)
        views = LabelledViews(self.network, self.images, rows[part], targets.values, probe.size)
        return list(tuned_at(views, head, stops, steps, seed))

    @classmethod
    def points(cls, setup: Setup, protocol: HeadProtocol) -> float:
        """One size is trained at, which may be the largest."""
        return setup.times(max(setup.sizes)) if setup.sizes else 1.0

    @classmethod
    def step_seconds(cls, trial: Trial, protocols: Sequence[HeadProtocol]) -> dict[HeadProtocol, list[float]]:
        suited = {protocol: list(filter(protocol.suits, trial.encoders)) for protocol in protocols}
        return {one: [cls._step_seconds(trial, encoder, one) for encoder in arms] for one, arms in suited.items() if arms}

    @classmethod
    def trainings(cls, setup: Setup, protocol: HeadProtocol) -> float:
        """Those on the halves count too; probes and other protocols of vectors take next to none of the time."""
        return cls.points(setup, protocol) * (1 + HALVES)

    @classmethod
    def reading_seconds(cls, trial: Trial, encoder: Encoder) -> float:
        """Kept features are read by protocols of vectors too, and counted there where any is asked."""
        shared = any(protocol.needs == HeadProtocol.needs for protocol in trial.setup.protocols)
        return 0.0 if shared else super().reading_seconds(trial, encoder)

    @classmethod
    def cell_seconds(cls, trial: Trial, protocols: Sequence[HeadProtocol]) -> dict[tuple[HeadProtocol, Budget], float]:
        """Of the slowest arm: its steps, on all labels and on their halves, and a look at the scored images."""
        seconds = dict[tuple[HeadProtocol, Budget], float]()
        for protocol in protocols:
            suited = list(filter(protocol.suits, trial.encoders))
            step = max((cls._step_seconds(trial, encoder, protocol) for encoder in suited), default=0.0)
            looks = max((VectorAsker.reading_seconds(trial, encoder) for encoder in suited), default=0.0)
            scored = looks * len(trial.first.judge) / max(1, len(trial.images))
            trained = step * trial.setup.steps.get(protocol.name, STEPS) * (1 + HALVES)
            seconds |= {(protocol, labels): trained + scored for labels in trial.setup.budgets}
        return seconds

    @classmethod
    def _step_seconds(cls, trial: Trial, encoder: Encoder, protocol: HeadProtocol) -> float:
        """How long a step takes on the labels of the largest budget, with a probe of made-up features."""
        asker = cls(trial.question, encoder, trial.setup, trial.images, trial.folder, trial.say, None)
        rows, size = trial.first.learn(trial.setup.budgets[-1]), trial.smallest(encoder)
        targets = trial.question.targets[rows]
        made_up = np.random.default_rng(0).normal(size=(len(rows), sum(encoder.blocks))).astype(np.float32)
        probe = train_head(made_up, targets, protocol, Choice(size, protocol.preparations[0], protocol.default), encoder.blocks)
        return step_seconds(LabelledViews(asker.network, trial.images, rows, targets.values, size), probe)


def halves(folds: Folds) -> Folds:
    """Two folds (learn, judge) made of two or more, so that no group is in both."""
    middle = (len(folds) + 1) // 2
    first, second = (np.sort(np.concatenate([judge for _, judge in part])) for part in (folds[:middle], folds[middle:]))
    return [(second, first), (first, second)]
