"""The comparison itself: every arm, protocol, budget and draw answered once, with what was answered before left alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from labelfree.training.files import read_json, write_json
from labelfree.transfer.arms import is_baseline
from labelfree.transfer.cells import Cell, CellKey, read_cell, write_cell
from labelfree.transfer.encoders import Encoder
from labelfree.transfer.features import extract
from labelfree.transfer.metrics import METRICS, measure
from labelfree.transfer.question import Question
from labelfree.transfer.selection import Choice, answer_with, best, choose
from labelfree.transfer.setup import Part, Setup, make_setup, parts_of
from labelfree.transfer.tables import write_budgets, write_tables
from labelfree.transfer.time_limit import cut_to

if TYPE_CHECKING:
    from labelfree.data.pool import Pool
    from labelfree.progress import Progress
    from labelfree.recipe import Evaluate

DECISIONS = "evaluation.json"


def answer(question: Question, encoders: Sequence[Encoder], settings: Evaluate, images: Pool, folder: Path, say: Progress) -> Setup:
    """Answer `question` for every encoder and write results.csv, predictions.parquet, classes.json, budgets.csv and evaluation.json.

    `images`: the evaluation pool, one entry for each of the question's rows. Cells that `folder` already holds are kept, so a stopped
    comparison goes on where it was and ends with the same files. Returns the setup that the answers were found with.
    """
    sizes = next((encoder.sizes for encoder in encoders if encoder.sizes), ())
    setup = _decided(question, encoders, settings, sizes, images, folder, say)
    parts = list(parts_of(question, setup.draws))
    found: dict[CellKey, Cell] = {}
    total = sum(len(setup.draws_of(labels)) for labels in setup.budgets) * len({part.fold for part in parts}) * len(setup.protocols)
    with say.track(total * len(encoders), "probes") as bar:
        for encoder in encoders:
            asker = _Asker(question, encoder, setup, images, folder, say)
            for part in parts:
                for labels in setup.budgets:
                    if part.draw in setup.draws_of(labels):
                        for protocol in setup.protocols:
                            key = CellKey(encoder.arm, encoder.backbone, encoder.seed, protocol, labels, part.draw, part.fold)
                            found[key] = asker.cell(key, part)
                            bar.advance(note=encoder.arm)
    write_budgets(parts, folder / "budgets.csv")
    write_tables(question, found, folder)
    return setup


def _decided(
    question: Question, encoders: Sequence[Encoder], settings: Evaluate, sizes: tuple[int, ...], images: Pool, folder: Path, say: Progress
) -> Setup:
    """The setup, with its cuts for time; an earlier start's decisions hold."""
    setup = make_setup(question, settings, sizes)
    key = hashlib.sha256(f"{question.digest} {sizes} {settings.model_dump_json()}".encode()).hexdigest()[:16]
    path = folder / DECISIONS
    if path.is_file() and (stored := read_json(path)).get("key") == key:
        return setup.restored(stored)
    if settings.minutes is not None:
        setup = cut_to(settings.minutes * 60, setup, settings.primary.budget, question, encoders, images)
    for note in setup.notes:
        say.say(note)
    write_json(path, {"key": key, **setup.to_dict()})
    return setup


class _Asker:
    """One encoder at work; its features are read when the first missing cell asks for them."""

    def __init__(self, question: Question, encoder: Encoder, setup: Setup, images: Pool, folder: Path, say: Progress) -> None:
        self.question, self.encoder, self.setup, self.images, self.folder, self.say = question, encoder, setup, images, folder, say
        self.sizes = setup.sizes_of(encoder)
        self.key = hashlib.sha256(repr((question.digest, encoder.digest, self.sizes, setup.grid, setup.metric)).encode()).hexdigest()[:16]
        self.features: dict[int, np.ndarray] = {}

    def cell(self, key: CellKey, part: Part) -> Cell:
        """From disk, or computed and written."""
        path = key.path(self.folder / "cells")
        stored = read_cell(path, self.key)
        if stored is not None:
            return stored
        cell = self._compute(key, part)
        write_cell(path, cell, self.key)
        return cell

    def _compute(self, key: CellKey, part: Part) -> Cell:
        rows, classes, blocks = part.learn(key.budget), len(self.question.classes), self.encoder.blocks
        targets = self.question.targets[rows]
        learn = {size: self._at(size)[rows] for size in self.sizes}
        choices = choose(learn, blocks, targets, classes, part.inner(key.budget), key.protocol, self.setup.metric, self.setup.grid)
        choice = best(choices, self.sizes)

        def scores(chosen: Choice) -> tuple[np.ndarray, bool]:
            judged = self._at(chosen.size)[part.judge]
            scored = answer_with(chosen, learn[chosen.size], targets, judged, blocks, classes, key.protocol, self.setup.grid)
            return scored.scores.astype(np.float32), scored.converged

        found, converged = scores(choice)
        envelope = {}
        if is_baseline(key.arm):  # what an ImageNet arm could have had, had it chosen its input size by the final score
            tables = {size: found if size == choice.size else scores(choices[size])[0] for size in self.sizes}
            truth = self.question.targets[part.judge]
            envelope = {size: {metric: measure(metric, table, truth) for metric in METRICS} for size, table in tables.items()}
        return Cell(part.judge, found, choice.size, len(rows), choice.preparation, choice.setting, choice.inner, converged, envelope)

    def _at(self, size: int) -> np.ndarray:
        if size not in self.features:
            self.features[size] = extract(self.encoder, self.images, size, self.folder / "features", self.say, self.question.images)
        return self.features[size]
