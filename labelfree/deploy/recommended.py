"""Which head a run recommends: that of the starting point which the claims support best, and what to expect of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from labelfree.data.chosen import INDICATIVE
from labelfree.deploy.head_file import FOLDER, RECOMMENDED
from labelfree.reporting.words import count, in_unit, score
from labelfree.transfer.cells import INNER, UNDERTRAINED
from labelfree.transfer.tables import ENVELOPE
from labelfree.transfer.words import MetricWords, TaskWords

FILE = "recommended.json"  # of a run
TAUGHT = {
    "cv": "all {} (there is no test set)",
    "dev": "{} of train and dev",
    "test": "{} of train, none of test",
}  # by which rows are scored


@dataclass(frozen=True)
class Recommendation:
    """`arm`, `protocol`: of the head in `file`. `why`: the reason. `expect`: what to expect of it. `labels`: how many images taught it."""

    arm: str
    protocol: str
    why: str
    expect: str
    labels: int = 0
    file: str = f"{FOLDER}/{RECOMMENDED}"

    def told(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)


def recommended_arm(claims: Mapping[str, Any], primary: Mapping[str, Any], arms: Collection[str]) -> tuple[str, str] | None:
    """The arm whose head is recommended, and why in a sentence; None where neither arm of the primary comparison was scored.

    That of the claim where it is better; else the one that it was compared with, which asks for less. `claims`: as claims.json keeps them,
    `primary`: the recipe's, `arms`: those that were scored.
    """
    arm, against = str(primary["arm"]), str(primary["against"])
    main = claims.get("primary")
    if main is None:
        there = [name for name in (against, arm) if name in arms]
        missing = next((name for name in (arm, against) if name not in arms), "")
        why = f"for {missing} was not scored" if missing else "which asks for less: the two could not be compared"
        return (there[0], f"It reads the features of {there[0]}, {why}.") if there else None
    said = {
        "better": (arm, f"{arm} beat {against} in the one comparison that was named before the run"),
        "worse": (against, f"{arm} was worse than {against} in the one comparison that was named before the run"),
        "no significant difference": (against, f"{arm} is not shown to beat {against}"),
    }
    why = f"nothing is claimed of {arm} against {against} ({main.get('withheld') or 'a solver did not converge'})"
    chosen, reason = said.get(str(main["verdict"]), (against, why))
    return chosen, f"It reads the features of {chosen}: {reason}."


def recommended_protocol(
    results: Iterable[Mapping[str, str]], arm: str, primary: Mapping[str, Any], words: TaskWords, sign: float
) -> tuple[str, str] | None:
    """The protocol whose head of `arm` is recommended, and why in a sentence: "" where it is the primary's. None: nothing tells.

    The one that did best inside the labels, by the scores that settings were chosen with: what is scored in the end chooses nothing.
    Counted at the most labels at which the primary's protocol has such a score in every cell; of equals the primary's. `results`: rows of
    results.csv. `sign`: of the primary's metric, -1 where lower is better.
    """
    own, metric = str(primary["protocol"]), words.metric(str(primary["metric"]))
    cells: dict[str, dict[str, list[float | None]]] = {}
    labels = dict[str, int]()
    for row in results:
        if (row["arm"], row["metric"]) == (arm, primary["metric"]) and row["flags"] != ENVELOPE:
            inner = [float(flag.removeprefix(INNER)) for flag in row["flags"].split(";") if flag.startswith(INNER)]
            cells.setdefault(row["budget"], {}).setdefault(row["protocol"], []).append(inner[0] if inner else None)
            labels[row["budget"]] = max(int(row["n_labels"]), labels.get(row["budget"], 0))
    for budget in sorted(cells, key=labels.__getitem__, reverse=True):
        means = {name: fmean(scores) for name, scores in cells[budget].items() if None not in scores}  # type: ignore[arg-type]
        if own not in means:
            continue
        return _best_of(means, own, metric, sign, f"inside the labels, with {words.budget.of(budget)}")
    return None


def instead_of_unfinished(
    halves: Mapping[str, float], finished: Sequence[str], primary: Mapping[str, Any], words: TaskWords, sign: float
) -> tuple[str, str]:
    """The same where the training of the primary's heads was cut short. `halves`: the score of each protocol's heads, by name, on halves of
    the labels that they did not learn from. Where the primary's has none: the first that was `finished`, the primary's where none was.
    """
    own = str(primary["protocol"])
    if own in halves:
        return _best_of(halves, own, words.metric(str(primary["metric"])), sign, "on halves of the labels that heads did not learn from")
    if not finished:
        return own, ""
    return finished[0], (
        f"It is a head of {finished[0]}, though the claim is of {own}: the training of {own} had not come to its end, and the labels are "
        "too few to tell which is better inside them."
    )


def unfinished(results: Iterable[Mapping[str, str]], arm: str) -> set[str]:
    """The protocols of which a head of `arm` had not come to its end at the largest budget. `results`: rows of results.csv."""
    mine = [row for row in results if row["arm"] == arm]
    largest = max(mine, key=lambda row: int(row["n_labels"]))["budget"] if mine else ""
    return {row["protocol"] for row in mine if row["budget"] == largest and UNDERTRAINED in row["flags"].split(";")}


def _best_of(scores: Mapping[str, float], own: str, metric: MetricWords, sign: float, where: str) -> tuple[str, str]:
    """The protocol of the best score, of equals the primary's `own`, and why it is another."""
    best = max(scores, key=lambda name: (sign * scores[name], name == own))
    if best == own:
        return own, ""
    theirs, ours = (in_unit(score(scores[name], metric), metric.of_scores) for name in (best, own))
    told = f"{where}, {best} reached {theirs} {metric.heading} and {own} {ours}"
    return best, f"It is a head of {best}, though the claim is of {own}: {told}."


def learnt_from(labels: int, split: str, words: TaskWords, one_kind: bool) -> str:
    """What taught a head that learned from every label it may, `labels` images. `split`: which rows are scored, as a question has it.

    `one_kind`: the task learns from one kind of images alone, which its budgets are named after.
    """
    images = count(labels, words.budget.one, words.budget.many) if one_kind else count(labels, "labelled image")
    return f"It learned from {TAUGHT[split].format(images)}"


def expectation(claims: Mapping[str, Any], arm: str, protocol: str, learnt: str, words: TaskWords, generated: bool) -> str:
    """What a head may be expected to do on images to come. `learnt`: as `learnt_from` says it."""
    measured = [row for row in claims.get("table", ()) if (row["arm"], row["protocol"]) == (arm, protocol)]
    if not measured:
        return f"{learnt}; it was not scored, so nothing is known of what to expect."
    most = max(measured, key=lambda row: float(row["n_labels"]))
    metric = words.metric(most["metric"])
    if most["mean"] is None:
        return f"{learnt}; {metric.heading} is not defined on what was scored, so nothing is known of what to expect."
    value = in_unit(score(most["mean"], metric), metric.of_scores)
    bounds = "no interval"
    if most["low"] is not None and most["high"] is not None:
        bounds = f"95 % interval {score(most['low'], metric)} to {in_unit(score(most['high'], metric), metric.of_scores)}"
    scored = f"with {words.budget.of(most['budget'])} the same kind of head reached {value} {metric.heading} ({bounds})"
    if generated:
        return f"{learnt}. On these generated images {scored}; they say nothing of real ones."
    doubts = [note for note in claims.get("notes", ()) if str(note).startswith(INDICATIVE)]
    return " ".join([f"{learnt}. Expect about what was measured: {scored}, on images like those that were scored.", *map(str, doubts)])
