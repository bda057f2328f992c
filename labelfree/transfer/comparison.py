"""The comparison itself: every arm, protocol, budget and draw answered once, with what was answered before left alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from labelfree.data.chosen import Standing
from labelfree.errors import DataError
from labelfree.language.prompts import Prompts
from labelfree.training.files import read_json, write_json
from labelfree.transfer.askers import ASKERS
from labelfree.transfer.asking import Trial
from labelfree.transfer.cells import Cell, CellKey
from labelfree.transfer.encoders import Encoder
from labelfree.transfer.protocols import Protocol
from labelfree.transfer.question import Question
from labelfree.transfer.setup import Setup, make_setup, parts_of
from labelfree.transfer.tables import write_budgets, write_tables
from labelfree.transfer.time_limit import cut_to
from labelfree.transfer.unlabelled import Unlabelled

if TYPE_CHECKING:
    from labelfree.data.pool import Pool
    from labelfree.progress import Progress
    from labelfree.recipe import Evaluate

DECISIONS = "evaluation.json"
SCORING = {"max_false_alarms", "alarm"}  # settings that decide nothing of what is computed


def answer(
    question: Question,
    encoders: Sequence[Encoder],
    settings: Evaluate,
    images: Pool,
    folder: Path,
    say: Progress,
    unlabelled: Unlabelled | None = None,
    prompts: Prompts | None = None,
) -> Setup:
    """Answer `question` for every encoder; write results.csv, predictions.parquet, classes.json, task.json, budgets.csv, evaluation.json.

    `images`: the evaluation pool, one entry for each of the question's rows. `unlabelled`: for protocols that read such images. `prompts`:
    for those that ask in words. Cells that `folder` already holds are kept, so a stopped comparison goes on where it was and ends with the
    same files. Returns the setup that the answers were found with.
    """
    sizes = next((encoder.sizes for encoder in encoders if encoder.sizes), ())
    planned = make_setup(question, settings, sizes, prompts)
    setup = _decided(Trial(planned, question, encoders, images, unlabelled, folder, say), settings)
    parts = list(parts_of(question, setup.draws))
    cells: dict[CellKey, Cell] = {}
    needed = sorted({protocol.needs for protocol in setup.protocols})
    asked = [[protocol for protocol in setup.protocols if protocol.suits(encoder)] for encoder in encoders]
    if not any(asked):
        raise DataError(_nobody(setup.protocols, encoders))
    folds = len({part.fold for part in parts})
    cell_count = sum(len(setup.draws_of(labels)) * len(ones) for each in asked for labels, ones in setup.asked(each)) * folds
    with say.track(cell_count, "probes") as bar:
        for encoder, protocols in zip(encoders, asked, strict=True):
            askers = {needs: ASKERS[needs](question, encoder, setup, images, folder, say, unlabelled) for needs in needed}
            for part in parts:
                for labels, ones in setup.asked(protocols):
                    if part.draw in setup.draws_of(labels):
                        for protocol in ones:
                            key = CellKey(encoder.arm, encoder.backbone, encoder.seed, protocol.name, labels, part.draw, part.fold)
                            cells[key] = askers[protocol.needs].cell(key, protocol, part)
                            bar.advance(note=encoder.arm)
    write_budgets(parts, folder / "budgets.csv")
    write_tables(question, cells, folder, setup.metric, setup.alarm)
    return setup


def left_out(setup: Setup, encoders: Sequence[Encoder]) -> list[str]:
    """A sentence for each protocol that some arms cannot be asked by, as far as it says why."""
    sentences = []
    for protocol in (one for one in setup.protocols if one.wants):
        without = dict.fromkeys(encoder.arm for encoder in encoders if not protocol.suits(encoder))
        if without:
            sentences.append(f"{protocol.words.capitalize()} wants {protocol.wants}; {', '.join(without)}: no row, for want of one.")
    return sentences


def _nobody(protocols: Sequence[Protocol], encoders: Sequence[Encoder]) -> str:
    """What to say where no arm can be asked anything."""
    wanted = " or ".join(dict.fromkeys(protocol.wants for protocol in protocols if protocol.wants)) or "what they ask for"
    arms = ", ".join(dict.fromkeys(encoder.arm for encoder in encoders))
    return (
        f"evaluate.protocols: {', '.join(protocol.name for protocol in protocols)} cannot ask any arm ({arms}), for want of {wanted}; name "
        "a run or a weight file that has it."
    )


def _decided(trial: Trial, settings: Evaluate) -> Setup:
    """The trial's setup, with its cuts for time; an earlier start's decisions hold."""
    setup, question = trial.setup, trial.question
    told = _told(question.standing)
    asked = f"{question.digest} {setup.sizes} {settings.model_dump_json(exclude=SCORING)}{told or ''}"
    key = hashlib.sha256(asked.encode()).hexdigest()[:16]
    path = trial.folder / DECISIONS
    if path.is_file() and (stored := read_json(path)).get("key") == key:
        return setup.restored(stored)
    if settings.minutes is not None:
        setup = cut_to(settings.minutes * 60, settings.primary.budget, trial)
    setup = setup.sized
    for note in setup.notes:
        trial.say.say(note)
    write_json(path, {"key": key, **setup.to_dict(), **told})
    return setup


def _told(standing: Standing) -> dict[str, str]:
    """What claims are told of the rows that are scored; nothing where nobody chose any."""
    return {name: sentence for name in ("scored", "indicative") if (sentence := getattr(standing, name))}
