"""The sentences in which claims are printed, in the words of their task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from labelfree.data.chosen import INDICATIVE
from labelfree.transfer.claims.labels_saved import LabelsSaved
from labelfree.transfer.protocols import Protocol
from labelfree.transfer.tasks import RESAMPLINGS, TaskWords
from labelfree.transfer.words import MetricWords

if TYPE_CHECKING:
    from labelfree.transfer.claims.claims import Comparison, TableRow


def headline(main: Comparison, saved: LabelsSaved | None, words: TaskWords, indicative: bool, generated: bool) -> str:
    """The primary in one line. `indicative`: too few labels for more, or chosen ones."""
    names = {"better": "beats", "worse": "is worse than"}
    metric = words.metric(main.metric)
    where = f"at {words.budget.of(main.budget)} ({words.protocol(main.protocol).words}, {metric.words})"
    size = f"{metric.difference(main.mean)}{interval_words(main, metric)}"
    if main.verdict in ("better", "worse"):
        sentence = f"{main.arm} {names[main.verdict]} {main.against} {where}: {size}."
    else:
        why = "no significant difference"
        if main.withheld or main.verdict == "no claim":
            why = f"no claim, {main.withheld or 'a solver did not converge'}"
        sentence = f"{main.arm} and {main.against} {where}: {why}, {size}."
    if generated:
        return f"{sentence} Generated data: shows that the pipeline works, says nothing about methods."
    if saved is not None:
        sentence += f" Labels saved: {saved}."
    return f"{INDICATIVE}: {sentence}" if indicative else sentence


def strongest_words(other: Comparison, words: TaskWords) -> str:
    """The exploratory comparison with an ImageNet arm that the labels prefer to the primary's."""
    metric = words.metric(other.metric)
    return (
        f"The strongest ImageNet arm here is {other.against} (by cross-validation inside the budget): {other.arm} against it "
        f"{metric.difference(other.mean)}{interval_words(other, metric)}."
    )


def undertrained_words(row: TableRow, words: TaskWords) -> str:
    """Why a point carries no claim."""
    where = f"{row.arm}, {words.protocol(row.protocol).words}, {words.budget.of(row.budget)}"
    return f"{where}: the solver did not converge in {row.undertrained} cells; no claim."


def interval_words(comparison: Comparison, metric: MetricWords) -> str:
    if comparison.low is None or comparison.high is None:
        return " (no interval: too few scored groups)"
    return f" (95 % interval {metric.signed(comparison.low)} to {metric.signed(comparison.high)})"


def caption(protocols: Sequence[Protocol]) -> str:
    """What a reader of the table must know of its protocols (docs/protocol.md, 15)."""
    return " ".join(dict.fromkeys([*(protocol.method for protocol in protocols), *(protocol.shared for protocol in protocols)]))


def method(folds: int | None, groups: int) -> str:
    """How the intervals were made. `folds`: None with a test split."""
    if folds is not None:
        return f"{folds}-fold cross-validation, repeated; corrected resampled t interval (Nadeau and Bengio 2003)."
    return f"Draws, pretraining seeds and {RESAMPLINGS} resamplings of {groups} scored groups, joined by Satterthwaite's rule."
