"""Which classes the captions named that an arm was taught by: told prompted, held out, or neither, from the captions themselves."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelfree.backbones.weight_card import card_beside
from labelfree.domain import Row
from labelfree.language.naming import Named, Namer
from labelfree.pipeline.captions import reads_captions
from labelfree.pipeline.context import Context
from labelfree.pipeline.held_out import Wording, leaving
from labelfree.pipeline.inputs import Inputs
from labelfree.pipeline.pretrained_on import History, run_of
from labelfree.recipe import ArmSpec, Recipe
from labelfree.training.files import read_json, write_json
from labelfree.transfer.arms import ARMS
from labelfree.transfer.claims.prompted import HELD_OUT, PROMPTED, UNKNOWN, UNNAMED
from labelfree.transfer.encoders import Encoder
from labelfree.transfer.setup import Setup

FILE = "named.json"  # of a run that was taught by captions


@dataclass(frozen=True)
class Naming:
    """What is known of the captions that an arm was taught by. `counts`: of each class how many name it; None: nobody knows.

    `held_out`: classes that were kept out. `why`: why a class may have been seen all the same, or nothing is known; "" where neither.
    """

    captions: int = 0
    images: int = 0
    counts: Mapping[str, Named] | None = None
    held_out: frozenset[str] = frozenset()
    why: str = ""

    def kind(self, name: str) -> str:
        """What an answer about this class is."""
        if self.counts is None:
            return UNKNOWN
        if self.counts[name].captions:
            return PROMPTED
        if self.why:
            return UNKNOWN
        return HELD_OUT if name in self.held_out else UNNAMED

    def told(self, classes: Sequence[str]) -> dict[str, Any]:
        """Plain JSON."""
        counts = self.counts or {}
        named = {name: [counts[name].captions, counts[name].images] for name in classes if name in counts}
        kinds = {name: self.kind(name) for name in classes}
        return {"captions": self.captions, "images": self.images, "kinds": kinds, "named": named, "why": self.why}


def keep_naming(run: Context, rows: Sequence[Row], wording: Wording) -> None:
    """Write what the captions of `rows`, which are to be learnt from, name: counts alone, and no word of theirs."""
    if not (run.pretraining and reads_captions(run.recipe)):
        return
    counts = Namer(wording.words).count(row.captions for row in rows)
    classes = {
        name: {"words": list(wording.words[name]), "captions": counts[name].captions, "images": counts[name].images} for name in counts
    }
    init = run.recipe.backbone.init
    facts = {
        "digest": _digest(rows),
        "captions": sum(len(row.captions) for row in rows),
        "images": sum(bool(row.captions) for row in rows),
        "held_out": list(wording.held_out),
        "continues": "" if init in ("imagenet", "random") else Path(init).name,
        "classes": classes,
    }
    write_json(run.folder.path / FILE, facts)


def naming_of(run: Context, inputs: Inputs, encoder: Encoder) -> Naming:
    """Of an arm with a text tower, as the run says that taught it."""
    file = _file(run.recipe, encoder.arm)
    folder = (run.weights or run.folder.path) if file is None else run_of(file)
    record = folder / FILE if folder is not None else None
    if folder is None or record is None or not record.is_file():
        return Naming(why="it is not known here by which captions these weights were taught")
    told = read_json(record)
    card = card_beside(file) if file is not None else None
    continued = ARMS.get(card.arm if card else encoder.arm)
    why = ""
    if told["continues"] and (continued is None or continued.init == "imagenet"):
        why = f"its weights continue from {told['continues']}, and what that has seen is not known here"
    counts = _counts(told, folder, inputs)
    if counts is None:
        why = "captions that named these classes were not counted when the weights were taught, and cannot be now"
    return Naming(told["captions"], told["images"], counts, frozenset(told["held_out"]), why)


def asked_in_words(run: Context, inputs: Inputs, encoders: Sequence[Encoder], setup: Setup) -> dict[str, Any]:
    """What was asked in words, and what is known of the arms' captions, as `save_prompted` takes it; empty where nothing was."""
    question, asked = inputs.question, [one for one in setup.protocols if one.needs == "words"]
    if question is None or setup.prompts is None or not asked:
        return {}
    first = {encoder.arm: encoder for encoder in reversed(encoders) if any(one.suits(encoder) for one in asked)}
    classes = question.task.legend(question.targets)
    namings = {arm: naming_of(run, inputs, first[arm]).told(classes) for arm in dict.fromkeys(e.arm for e in encoders) if arm in first}
    return {
        "protocol": asked[0].name,
        "templates": len(setup.prompts.templates),
        "held_out_asked": run.recipe.evaluate.held_out_classes is not None,
        "arms": namings,
    }


def _counts(told: Mapping[str, Any], folder: Path, inputs: Inputs) -> Mapping[str, Named] | None:
    """Of the classes asked for: as the run counted them, where the classes and their words are still the same, else counted again in the
    very captions that it was taught by, where these are there.
    """
    words, kept = inputs.wording.words, told["classes"]
    if all(name in kept and tuple(kept[name]["words"]) == said for name, said in words.items()):
        return {name: Named(kept[name]["captions"], kept[name]["images"]) for name in words}
    history = History.of(folder)
    seen = [row for row in inputs.manifest.rows if history and row.id in history.ids and row.captions]
    sayings = {name: each["words"] for name, each in kept.items()}
    shown, said = leaving(seen, inputs.task, told["held_out"], sayings, inputs.manifest.blanked)
    for rows in (inputs.learnt, [row for row in seen if row.id not in shown | said]):
        if _digest(rows) == told["digest"]:
            return Namer(words).count(row.captions for row in rows)
    return None


def _digest(rows: Sequence[Row]) -> str:
    """Of what is said of which image."""
    said = sorted((row.id, row.captions) for row in rows if row.captions)
    return hashlib.sha256(repr(said).encode()).hexdigest()[:16]


def _file(recipe: Recipe, arm: str) -> Path | None:
    """The weight file that an arm names; None where a run pretrained it."""
    return next((each.file for each in recipe.evaluate.arms if isinstance(each, ArmSpec) and each.name == arm), None)
