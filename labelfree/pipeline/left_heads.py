"""Which heads a run leaves: the primary arm's, one a protocol, and the one it recommends, each with its card for people."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from labelfree.deploy.head_card import HeadCard
from labelfree.deploy.head_file import RECOMMENDED
from labelfree.deploy.model_card import model_card
from labelfree.deploy.recommended import (
    FILE,
    Recommendation,
    expectation,
    instead_of_unfinished,
    learnt_from,
    recommended_arm,
    recommended_protocol,
    unfinished,
)
from labelfree.pipeline.kept_heads import KeptHeads
from labelfree.training.files import write_json, write_text
from labelfree.transfer.encoders import Encoder
from labelfree.transfer.protocols.base import Protocol
from labelfree.transfer.question import Question
from labelfree.transfer.tasks.registry import find_metric
from labelfree.transfer.words import TaskWords


def leave_heads(kept: KeptHeads, encoders: Sequence[Encoder], claims: dict[str, Any]) -> list[str]:
    """Write the heads of a comparison; `claims`: what came out, as claims.json keeps it. Returns sentences for the report."""
    heads = _Heads(kept, encoders, claims)
    wanted = heads.wanted()
    with kept.run.say.track(len(wanted) + 1, "heads to keep") as bar:
        for encoder, protocol in wanted:
            heads.of_primary(encoder, protocol)
            bar.advance()
        sentences = heads.recommended()
        bar.advance()
    return sentences


class _Heads:
    """The heads that a comparison leaves, each with its card for people."""

    def __init__(self, kept: KeptHeads, encoders: Sequence[Encoder], claims: dict[str, Any]) -> None:
        self.kept, self.encoders, self.claims = kept, encoders, claims
        question = kept.inputs.question
        assert question is not None
        self.question: Question = question

    def wanted(self) -> list[tuple[Encoder, Protocol]]:
        """The primary arm with each protocol that it was scored by and that leaves a head."""
        encoder = self._of(self.kept.run.recipe.evaluate.primary.arm)
        scored = set[str]() if encoder is None else self._scored(encoder.arm)
        return [(encoder, each) for each in self.kept.setup.protocols if encoder is not None and each.name in scored and each.leaves_head]

    def of_primary(self, encoder: Encoder, protocol: Protocol) -> None:
        """heads/<protocol>.safetensors: the primary arm's, learned from all train (or all labelled) rows."""
        self._describe(self.kept.keep(encoder, protocol, self.question.teaching(self.question.train), protocol.name), protocol.name)

    def recommended(self) -> list[str]:
        """heads/recommended.safetensors and recommended.json: the best-supported arm's, learned from all labelled rows outside test."""
        primary = self.kept.run.recipe.evaluate.primary
        if not any(protocol.leaves_head for protocol in self.kept.setup.protocols):
            return [f"No head is left: {self.question.task.name} judges a network and teaches none for use."]
        scored = {encoder.arm for encoder in self.encoders if primary.protocol in self._scored(encoder.arm)}
        found = recommended_arm(self.claims, primary.model_dump(), scored)
        if found is None:
            return ["No head is recommended: neither arm of the primary comparison was scored."]
        arm, why = found
        encoder = self._of(arm)
        assert encoder is not None
        name, better = self._protocol(encoder)
        protocol = next(each for each in self.kept.setup.protocols if each.name == name)
        why = f"{why} {better}".strip()
        card = self.kept.keep(encoder, protocol, outside_test(self.question), Path(RECOMMENDED).stem)
        learnt = learnt_from(card.taught_by, self.question.split, self._words, one_kind=bool(self.question.task.learnt))
        expect = expectation(self.claims, arm, protocol.name, learnt, self._words, self._generated)
        told = Recommendation(arm, protocol.name, why, expect, card.taught_by)
        write_json(self.kept.run.folder.path / FILE, told.told())
        self._describe(card, Path(RECOMMENDED).stem, [why, expect])
        return []

    def _protocol(self, encoder: Encoder) -> tuple[str, str]:
        """By name, and why it is another than the primary's. A threshold is measured for the primary's alone, which then is taken.

        Where no scores inside the labels came of the comparison, and the training of the primary's heads was cut short, every protocol is
        asked on halves of the labels.
        """
        setup, primary = self.kept.setup, self.kept.run.recipe.evaluate.primary.model_dump()
        if setup.alarm is not None:
            return primary["protocol"], ""
        with (self.kept.run.folder.path / "results.csv").open(newline="", encoding="utf-8") as stream:
            results = list(csv.DictReader(stream))
        sign = find_metric(self.question.task, setup.metric, self.question.targets).sign
        told = recommended_protocol(results, encoder.arm, primary, self._words, sign)
        short = unfinished(results, encoder.arm) | {
            one.name for one in setup.protocols if setup.steps.get(one.name, one.steps) != one.steps
        }
        if told is not None or primary["protocol"] not in short:
            return told or (primary["protocol"], "")
        asked = [protocol for protocol in setup.protocols if protocol.name in self._scored(encoder.arm)]
        rows = outside_test(self.question)
        halves = {one.name: found for one in asked if (found := self.kept.held_out(encoder, one, rows)) is not None}
        return instead_of_unfinished(halves, [one.name for one in asked if one.name not in short], primary, self._words, sign)

    def _scored(self, arm: str) -> set[str]:
        """The protocols by which an arm was scored."""
        return {row["protocol"] for row in self.claims["table"] if row["arm"] == arm}

    def _of(self, arm: str) -> Encoder | None:
        """The arm's encoder, its first seed."""
        return next((encoder for encoder in self.encoders if encoder.arm == arm), None)

    @property
    def _words(self) -> TaskWords:
        return self.question.task.words_of(self.question.targets)

    @property
    def _generated(self) -> bool:
        return self.kept.inputs.generated

    def _describe(self, card: HeadCard, name: str, lead: Sequence[str] = ()) -> None:
        data = self.kept.inputs.card
        dataset = data.name if data else ""
        text = model_card(card, f"{name}.safetensors", self.claims, self._words, dataset, lead, self._generated)
        write_text(self.kept.folder / f"{name}.md", text)


def outside_test(question: Question) -> np.ndarray:
    """Positions of all labelled rows that a head in use may learn from: train, and dev where that was scored; never test."""
    if question.score is None or question.split == "test":
        return question.teaching(question.train)
    return question.teaching(np.sort(np.concatenate([question.train, question.score])))
