"""The sentences in which claims are printed."""

from __future__ import annotations

from labelfree.transfer.claim_types import Comparison, TableRow
from labelfree.transfer.labels_saved import LabelsSaved
from labelfree.transfer.metrics import RESAMPLINGS
from labelfree.transfer.probes import NEIGHBOURS, STRENGTHS, TEMPERATURE


def headline(main: Comparison, saved: LabelsSaved | None, indicative: bool, generated: bool) -> str:
    """The primary in one line. `indicative`: too few labels for more."""
    names = {"better": "beats", "worse": "is worse than"}
    where = f"at {labels(main.budget)} ({main.protocol}, {main.metric.replace('_', ' ')})"
    size = f"{points(main.mean)}{interval_words(main)}"
    if main.verdict in ("better", "worse"):
        sentence = f"{main.arm} {names[main.verdict]} {main.against} {where}: {size}."
    else:
        why = "no significant difference"
        if main.verdict == "no claim":
            why = f"no claim, {main.withheld or 'a solver did not converge'}"
        sentence = f"{main.arm} and {main.against} {where}: {why}, {size}."
    if generated:
        return f"{sentence} Generated data: shows that the pipeline works, says nothing about methods."
    if saved is not None:
        sentence += f" Labels saved: {saved}."
    return f"Indicative only: {sentence}" if indicative else sentence


def strongest_words(other: Comparison) -> str:
    """The exploratory comparison with an ImageNet arm that the labels prefer to the primary's."""
    return (
        f"The strongest ImageNet arm here is {other.against} (by cross-validation inside the budget): {other.arm} against it "
        f"{points(other.mean)}{interval_words(other)}."
    )


def undertrained_words(row: TableRow) -> str:
    """Why a point carries no claim."""
    return f"{row.arm}, {row.protocol}, {labels(row.budget)}: the solver did not converge in {row.undertrained} cells; no claim."


def labels(budget: str) -> str:
    return "all labels" if budget == "all" else f"{budget} label{'' if budget == '1' else 's'} a class"


def points(mean: float) -> str:
    return f"{100 * mean:+.1f} points"


def interval_words(comparison: Comparison) -> str:
    if comparison.low is None or comparison.high is None:
        return " (no interval: too few scored groups)"
    return f" (95 % interval {100 * comparison.low:+.1f} to {100 * comparison.high:+.1f})"


def caption() -> str:
    """What a reader of the table must know of the probes (docs/protocol.md, 15)."""
    return (
        f"kNN: cosine, votes weighted by exp(similarity / {TEMPERATURE}), k among {', '.join(map(str, NEIGHBOURS))}. "
        f"Linear: logistic regression, C among {', '.join(f'{c:g}' for c in STRENGTHS)} for rows of length 1. "
        "Features: the architecture's own pooling, centred and L2-normalised or standardised per dimension. "
        "Input size, preparation and setting are chosen inside each budget by group-stratified cross-validation, "
        "ties to the smaller size, then the stronger regularisation."
    )


def method(folds: int | None, groups: int) -> str:
    """How the intervals were made. `folds`: None with a test split."""
    if folds is not None:
        return f"{folds}-fold cross-validation, repeated; corrected resampled t interval (Nadeau and Bengio 2003)."
    return f"Draws, pretraining seeds and {RESAMPLINGS} resamplings of {groups} scored groups, joined by Satterthwaite's rule."
