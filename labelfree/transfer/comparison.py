"""The comparison itself: every arm, protocol, budget and draw answered once, with what was answered before left alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from labelfree.data.chosen import Standing
from labelfree.training.files import read_json, write_json
from labelfree.transfer.arms import is_baseline
from labelfree.transfer.cells import Cell, CellKey, read_cell, write_cell
from labelfree.transfer.encoders import Encoder
from labelfree.transfer.features import extract
from labelfree.transfer.protocols import find_protocol
from labelfree.transfer.question import Question
from labelfree.transfer.selection import Choice, Search
from labelfree.transfer.setup import Part, Setup, make_setup, parts_of
from labelfree.transfer.tables import write_budgets, write_tables
from labelfree.transfer.time_limit import cut_to
from labelfree.transfer.unlabelled import Beside, Unlabelled

if TYPE_CHECKING:
    from labelfree.data.pool import Pool
    from labelfree.progress import Progress
    from labelfree.recipe import Evaluate

DECISIONS = "evaluation.json"


def answer(
    question: Question,
    encoders: Sequence[Encoder],
    settings: Evaluate,
    images: Pool,
    folder: Path,
    say: Progress,
    unlabelled: Unlabelled | None = None,
) -> Setup:
    """Answer `question` for every encoder; write results.csv, predictions.parquet, classes.json, task.json, budgets.csv, evaluation.json.

    `images`: the evaluation pool, one entry for each of the question's rows. `unlabelled`: for protocols that read such images. Cells that
    `folder` already holds are kept, so a stopped comparison goes on where it was and ends with the same files. Returns the setup that
    the answers were found with.
    """
    sizes = next((encoder.sizes for encoder in encoders if encoder.sizes), ())
    setup = _decided(question, encoders, settings, sizes, images, folder, say, unlabelled)
    parts = list(parts_of(question, setup.draws))
    cells: dict[CellKey, Cell] = {}
    total = sum(len(setup.draws_of(labels)) for labels in setup.budgets) * len({part.fold for part in parts}) * len(setup.protocols)
    with say.track(total * len(encoders), "probes") as bar:
        for encoder in encoders:
            asker = _Asker(question, encoder, setup, images, folder, say, unlabelled)
            for part in parts:
                for labels in setup.budgets:
                    if part.draw in setup.draws_of(labels):
                        for protocol in setup.protocols:
                            key = CellKey(encoder.arm, encoder.backbone, encoder.seed, protocol, labels, part.draw, part.fold)
                            cells[key] = asker.cell(key, part)
                            bar.advance(note=encoder.arm)
    write_budgets(parts, folder / "budgets.csv")
    write_tables(question, cells, folder)
    return setup


def _decided(
    question: Question,
    encoders: Sequence[Encoder],
    settings: Evaluate,
    sizes: tuple[int, ...],
    images: Pool,
    folder: Path,
    say: Progress,
    unlabelled: Unlabelled | None,
) -> Setup:
    """The setup, with its cuts for time; an earlier start's decisions hold."""
    setup = make_setup(question, settings, sizes)
    told = _told(question.standing)
    asked = f"{question.digest} {sizes} {settings.model_dump_json()}{told or ''}"
    key = hashlib.sha256(asked.encode()).hexdigest()[:16]
    path = folder / DECISIONS
    if path.is_file() and (stored := read_json(path)).get("key") == key:
        return setup.restored(stored)
    if settings.minutes is not None:
        setup = cut_to(settings.minutes * 60, setup, settings.primary.budget, question, encoders, images, unlabelled)
    for note in setup.notes:
        say.say(note)
    write_json(path, {"key": key, **setup.to_dict(), **told})
    return setup


def _told(standing: Standing) -> dict[str, str]:
    """What claims are told of the rows that are scored; nothing where nobody chose any."""
    return {name: sentence for name in ("scored", "indicative") if (sentence := getattr(standing, name))}


class _Asker:
    """One encoder at work; its features are read when the first missing cell asks for them."""

    def __init__(
        self,
        question: Question,
        encoder: Encoder,
        setup: Setup,
        images: Pool,
        folder: Path,
        say: Progress,
        unlabelled: Unlabelled | None,
    ) -> None:
        self.question, self.encoder, self.setup, self.images, self.folder, self.say = question, encoder, setup, images, folder, say
        self.sizes = setup.sizes_of(encoder)
        self.key = hashlib.sha256(repr((question.digest, encoder.digest, self.sizes, setup.grid, setup.metric)).encode()).hexdigest()[:16]
        self.features: dict[int, np.ndarray] = {}
        self.unlabelled = unlabelled
        self.beside = {name: bound_to(unlabelled, name, encoder, folder, say) for name in setup.protocols}

    def cell(self, key: CellKey, part: Part) -> Cell:
        """From disk, or computed and written."""
        path = key.path(self.folder / "cells")
        content = f"{self.key} {self.unlabelled.digest}" if self.unlabelled and self.beside[key.protocol] else self.key
        stored = read_cell(path, content)
        if stored is not None:
            return stored
        cell = self._compute(key, part)
        write_cell(path, cell, content)
        return cell

    def _compute(self, key: CellKey, part: Part) -> Cell:
        task, targets, blocks = self.question.task, self.question.targets, self.encoder.blocks
        rows, judge = part.learn(key.budget), part.judge
        search = search_among(rows, self.question, self.setup, key.protocol, self.beside[key.protocol])
        learn = {size: self._at(size)[rows] for size in self.sizes}
        choices = search.choose(learn, blocks, targets[rows], part.inner(key.budget))
        choice = search.best(choices, self.sizes)

        def answers(chosen: Choice) -> tuple[pa.Table, bool]:
            fit = search.answer(chosen, learn[chosen.size], targets[rows], self._at(chosen.size)[judge], blocks)
            return task.answers(fit.output.astype(np.float32), targets[judge]), fit.converged

        scored, converged = answers(choice)
        envelope = {}
        if is_baseline(key.arm):  # what an ImageNet arm could have had, had it chosen its input size by the final score
            tables = {size: scored if size == choice.size else answers(choices[size])[0] for size in self.sizes}
            envelope = {size: {name: metric.value(table) for name, metric in task.metrics.items()} for size, table in tables.items()}
        held = None if choice.held is None else task.answers(choice.held.astype(np.float32), targets[rows])
        return Cell(
            judge, scored, choice.size, len(rows), choice.preparation, choice.setting, choice.inner, converged, envelope, rows, held
        )

    def _at(self, size: int) -> np.ndarray:
        if size not in self.features:
            self.features[size] = extract(self.encoder, self.images, size, self.folder / "features", self.say, self.question.images)
        return self.features[size]


def search_among(rows: np.ndarray, question: Question, setup: Setup, protocol: str, beside: Beside | None) -> Search:
    """How settings of a protocol are chosen among the labelled `rows` of one budget. `beside`: the protocol bound to unlabelled images."""
    task = question.task
    return Search(task, find_protocol(protocol), task.metrics[setup.metric], setup.grid, beside.learner(rows) if beside else None)


def bound_to(unlabelled: Unlabelled | None, protocol: str, encoder: Encoder, folder: Path, say: Progress) -> Beside | None:
    """The protocol beside the encoder's features of the unlabelled images, which are kept in `folder`; None: it reads none."""
    learner = find_protocol(protocol)
    if unlabelled is None or not learner.reads_rest:
        return None

    def features(size: int) -> np.ndarray:
        return extract(encoder, unlabelled.pool, size, folder / "features", say, unlabelled.digest, unlabelled.entries.tolist())

    return Beside(learner, unlabelled, features, encoder.blocks)
