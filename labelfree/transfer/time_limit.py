"""`evaluate.minutes`: what is left out, equally for every arm, when the whole comparison would take too long."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from labelfree.data.budgets import Budget
from labelfree.training.timing import Stopwatch
from labelfree.transfer.encoders import NO_SIZE, Encoder
from labelfree.transfer.protocols import find_protocol, one_thread
from labelfree.transfer.question import Question
from labelfree.transfer.selection import INNER_FOLDS
from labelfree.transfer.setup import Setup, parts_of

if TYPE_CHECKING:
    from labelfree.data.pool import Pool
    from labelfree.transfer.unlabelled import Unlabelled

FEWEST_DRAWS = 3
TRIAL = 32  # images that the speed of an encoder is measured on


@dataclass(frozen=True)
class Speed:
    """Measured seconds.

    `images`: for one image through each encoder at the smallest size. `path`: for one path of a protocol at a budget.
    """

    images: tuple[float, ...]
    path: dict[tuple[str, Budget], float]
    entries: int
    folds: int

    def seconds(self, setup: Setup) -> float:
        """What the setup would take: features (growing with the area of the input), then heads."""
        smallest = min(setup.sizes, default=1)
        areas = sum((size / smallest) ** 2 for size in setup.sizes)
        features = self.entries * areas * sum(self.images)
        heads = 0.0
        for labels in setup.budgets:
            for protocol in setup.protocols:
                share = len(setup.grid.of(protocol)) / len(find_protocol(protocol).settings)
                searches = max(1, len(setup.sizes)) * len(setup.grid.prepared(protocol)) * INNER_FOLDS
                heads += self.path[protocol, labels] * share * searches * len(setup.draws_of(labels))
        return features + heads * self.folds * len(self.images)


def cut_to(
    seconds: float,
    setup: Setup,
    primary: Budget,
    question: Question,
    encoders: Sequence[Encoder],
    images: Pool,
    unlabelled: Unlabelled | None = None,
) -> Setup:
    """The setup, cut step by step until it's estimated to fit, with a sentence for each kind of cut among its notes."""
    speed = measure_speed(setup, question, encoders, images, unlabelled)
    cut = setup
    for cut in ladder(setup, primary):
        if speed.seconds(cut) <= seconds:
            break
    notes = differences(setup, cut, seconds)
    left = speed.seconds(cut)
    if left > seconds:
        notes.append(f"evaluate.minutes: nothing more can be cut; the comparison will take about {left / 60:.0f} minutes.")
    return replace(cut, notes=(*setup.notes, *notes))


def ladder(setup: Setup, primary: Budget) -> Iterator[Setup]:
    """The setup, then ever smaller ones: search points, then draws (never under 3), then middle budgets."""
    yield setup
    thin = {protocol: find_protocol(protocol).thinned for protocol in setup.protocols}
    setup = replace(setup, grid=replace(setup.grid, settings=thin))
    yield setup
    while len(setup.sizes) > 1:
        setup = replace(setup, sizes=tuple(size for size in setup.sizes if size != max(setup.sizes)))
        yield setup
    while setup.draws > FEWEST_DRAWS:
        setup = replace(setup, draws=setup.draws - 1)
        yield setup
    for labels in reversed(setup.budgets[1:-1]):
        if labels != primary:
            setup = replace(setup, budgets=tuple(kept for kept in setup.budgets if kept != labels))
            yield setup


def differences(before: Setup, after: Setup, seconds: float) -> list[str]:
    """One sentence for each kind of cut."""
    limit = f"evaluate.minutes={seconds / 60:g}"
    notes = []
    if after.grid != before.grid:
        kept = "; ".join(f"{protocol} {', '.join(f'{value:g}' for value in after.grid.of(protocol))}" for protocol in after.protocols)
        notes.append(f"{limit}: every arm's probe settings were cut to {kept}.")
    if after.sizes != before.sizes:
        notes.append(f"{limit}: every arm's input sizes were cut to {_listed(after.sizes)} (of {_listed(before.sizes)}).")
    if after.draws != before.draws:
        notes.append(f"{limit}: draws were cut from {before.draws} to {after.draws}.")
    if after.budgets != before.budgets:
        gone = [labels for labels in before.budgets if labels not in after.budgets]
        notes.append(f"{limit}: budgets {_listed(gone)} were left out.")
    return notes


def measure_speed(
    setup: Setup, question: Question, encoders: Sequence[Encoder], images: Pool, unlabelled: Unlabelled | None = None
) -> Speed:
    """Speeds from a trial of each encoder on a few images, and of each protocol's head on made-up features of each budget's size."""
    entries = list(range(min(TRIAL, len(images))))
    times = []
    for encoder in encoders:
        size = min(setup.sizes) if encoder.sizes else NO_SIZE
        encoder.features(images, entries[:1], size)  # first calls are slow
        watch = Stopwatch()
        encoder.features(images, entries, size)
        times.append(watch.lap().seconds / len(entries))
    parts = [part for part in parts_of(question, setup.draws) if part.draw == 0]
    generator = np.random.default_rng(0)
    width = max((sum(encoder.blocks) for encoder in encoders), default=1)
    learners = {protocol: find_protocol(protocol) for protocol in setup.protocols}
    beside = len(unlabelled) if unlabelled and any(learner.reads_rest for learner in learners.values()) else 0
    rest = generator.normal(size=(beside, width)).astype(np.float32)
    learners = {name: learner.beside(rest, (width,)) if beside and learner.reads_rest else learner for name, learner in learners.items()}
    path = {}
    for labels in setup.budgets:
        targets = question.targets[parts[0].learn(labels)]
        rows = generator.normal(size=(len(targets), width)) / np.sqrt(width)
        signal = targets.vectors()[:, :width]
        rows[:, : signal.shape[1]] += 0.5 * signal / max(1.0, float(np.abs(signal).max()))
        for protocol in setup.protocols:
            watch = Stopwatch()
            with one_thread():
                list(learners[protocol].path(rows, targets, rows, setup.grid.of(protocol)))
            path[protocol, labels] = watch.lap().seconds
    return Speed(tuple(times), path, len(images) + beside, len(parts))


def _listed(values: Sequence[object]) -> str:
    return ", ".join(str(value) for value in values)
