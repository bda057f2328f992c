"""`evaluate.minutes`: what is left out, equally for every arm, when the whole comparison would take too long."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from labelfree.data.budgets import Budget
from labelfree.progress import duration
from labelfree.transfer.askers import ASKERS
from labelfree.transfer.asking import Trial
from labelfree.transfer.head_steps import StepTimes
from labelfree.transfer.protocols import Protocol
from labelfree.transfer.setup import Setup

FEWEST_DRAWS = 3


@dataclass(frozen=True)
class Speed:
    """Measured seconds.

    `reading`: for all images through each encoder at the smallest size. `cell`: for one cell of a protocol at a budget, searched with one
    setting, one preparation and one input size. `folds`: of one draw.
    """

    reading: tuple[float, ...]
    cell: Mapping[tuple[Protocol, Budget], float]
    folds: int

    def seconds(self, setup: Setup) -> float:
        """What the setup would take: features (growing with the pixels or voxels of the input), then heads."""
        features = sum(map(setup.times, setup.sizes)) * sum(self.reading)
        heads = 0.0
        for protocol in setup.protocols:
            points = ASKERS[protocol.needs].points(setup, protocol)
            heads += sum(self.cell[protocol, labels] * points * len(setup.draws_of(labels)) for labels in setup.budgets_of(protocol))
        return features + heads * self.folds * len(self.reading)


def cut_to(seconds: float, primary: Budget, trial: Trial) -> Setup:
    """The trial's setup, cut step by step until it's estimated to fit, with a sentence for each kind of cut among its notes."""
    setup = trial.setup
    times = StepTimes.measured(trial)
    planned = times.planned(setup, seconds)
    speed = measure_speed(replace(trial, setup=planned))
    cut = planned
    for cut in ladder(planned, primary):
        if speed.seconds(cut) <= seconds:
            break
    expected = speed.seconds(cut)
    if cut != planned:  # else what was measured is kept, and steps are planned for it
        cut = times.raised(cut, seconds - expected)
    notes = differences(setup, cut, seconds)
    if expected > seconds:
        notes.append(f"evaluate.minutes: nothing more can be cut; the comparison will take about {duration(expected)}.")
    return replace(cut, notes=(*setup.notes, *notes))


def ladder(setup: Setup, primary: Budget) -> Iterator[Setup]:
    """The setup, then ever smaller ones: search points, then draws (never under 3), then middle budgets."""
    yield setup
    thin = {protocol.name: protocol.thinned for protocol in setup.protocols}
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
    fewer = [(one.words, after.steps[one.name], one.steps) for one in after.protocols if after.steps.get(one.name, one.steps) != one.steps]
    if fewer:
        told = ", ".join(f"{words} {steps} (of {usual})" for words, steps, usual in fewer)
        notes.append(f"{limit}: every arm's heads are trained in fewer steps: {told}.")
    if after.grid != before.grid:
        searched = [one for one in after.protocols if one.learns]
        kept = "; ".join(f"{one.name} {', '.join(f'{value:g}' for value in after.grid.of(one))}" for one in searched)
        notes.append(f"{limit}: every arm's probe settings were cut to {kept}.")
    if after.sizes != before.sizes:
        notes.append(f"{limit}: every arm's input sizes were cut to {_listed(after.sizes)} (of {_listed(before.sizes)}).")
    if after.draws != before.draws:
        notes.append(f"{limit}: draws were cut from {before.draws} to {after.draws}.")
    if after.budgets != before.budgets:
        gone = [labels for labels in before.budgets if labels not in after.budgets]
        notes.append(f"{limit}: budgets {_listed(gone)} were left out.")
    return notes


def measure_speed(trial: Trial) -> Speed:
    """Speeds from a trial of each encoder, and of each protocol's head at each budget."""
    protocols = trial.setup.protocols
    needed = sorted({protocol.needs for protocol in protocols})
    reading = tuple(sum(ASKERS[needs].reading_seconds(trial, encoder) for needs in needed) for encoder in trial.encoders)
    cell: dict[tuple[Protocol, Budget], float] = {}
    for needs in needed:
        cell |= ASKERS[needs].cell_seconds(trial, [protocol for protocol in protocols if protocol.needs == needs])
    return Speed(reading, cell, trial.folds)


def _listed(values: Sequence[object]) -> str:
    return ", ".join(str(value) for value in values)
