"""What came out: the one claim named before the run, in a sentence that reads the same for a win, a loss and a tie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from labelfree.data.chosen import INDICATIVE
from labelfree.reporting import svg_figures
from labelfree.reporting.sections.base import Context, Section
from labelfree.reporting.words import difference, digits, in_unit, number, p_value
from labelfree.transfer.words import MetricWords, TaskWords

OUTCOMES = {"better": "win", "worse": "loss", "no claim": "void", INDICATIVE.lower(): "doubt"}


def build(context: Context) -> Section:
    run = context.run
    primary = run.claims.get("primary")
    if not primary:
        return Section(
            "result", "Result", absent=run.claims.get("headline") or f"There are no scores, so there is no result: {why(run.notes)}"
        )
    outcome = "generated" if run.generated else OUTCOMES.get(str(primary.get("verdict")), "tie")
    resolvable, words = run.claims.get("resolvable"), run.words
    metric = words.metric(primary["metric"])
    indicative = [note for note in run.claim_notes if note.startswith(INDICATIVE)]
    values = {
        "outcome": outcome,
        "sentence": sentence(primary, outcome, words),
        "question": question(primary, words),
        "difference": difference(primary.get("mean"), metric),
        "unit": metric.of_differences,
        "interval": span(primary, metric),
        "p": "" if outcome in ("generated", "doubt") else p_value(primary.get("p")),
        "saved": None if outcome in ("generated", "void", "doubt") else saved(run.claims.get("labels_saved")),
        "smallest": smallest(resolvable, metric),
        "strip": strip(primary, resolvable, metric, context),
        "remarks": [note for note in run.claim_notes if note not in indicative],
        "indicative": indicative,
        "budget": words.budget.of(primary["budget"]),
        "against": primary["against"],
        "method": run.claims.get("method", ""),
    }
    return Section("result", "Result", values)


def question(primary: Mapping[str, Any], words: TaskWords) -> str:
    """What was claimed, as the recipe named it."""
    metric, protocol = words.metric(primary["metric"]).heading, words.protocol(primary["protocol"]).heading
    measured = f"{metric}, {protocol}, {words.budget.of(primary['budget'])}"
    return f"{primary['arm']} against {primary['against']}, {measured}"


def sentence(primary: Mapping[str, Any], outcome: str, words: TaskWords) -> str:
    """The comparison in one plain sentence."""
    arm, against, metric = primary["arm"], primary["against"], words.metric(primary["metric"])
    at = f"ith {words.budget.of(primary['budget'])}"
    size = number(abs(metric.scale * primary["mean"]), digits(primary["mean"], metric))
    gap = f"{in_unit(size, metric.of_differences)} of {metric.heading}"
    return {
        "win": f"W{at}, {arm} is better than {against} by {gap}.",
        "loss": f"W{at}, {arm} is worse than {against} by {gap}.",
        "void": f"No claim: w{at}, {primary.get('withheld') or f'a solver of {arm} or {against} did not converge'}.",
        "doubt": f"{INDICATIVE}: w{at}, {arm} and {against} are {gap} apart on images that were chosen, so nothing is claimed.",
        "tie": f"No significant difference: w{at}, {arm} and {against} are {gap} apart, which chance alone can explain.",
        "generated": f"The pipeline ran from end to end. Here {arm} and {against} are {gap} apart; made-up images say nothing of either.",
    }[outcome]


def span(primary: Mapping[str, Any], metric: MetricWords) -> str:
    """The interval of the difference, or why there is none."""
    if primary.get("low") is None or primary.get("high") is None:
        return "no interval: too few draws or scored groups"
    return f"95 % interval {difference(primary['low'], metric)} to {difference(primary['high'], metric)}"


def saved(labels: Mapping[str, Any] | None) -> dict[str, str] | None:
    """Labels saved, the ratio apart from its interval."""
    if not labels:
        return None
    words = labels.get("words") or {}
    if "ratio" not in words:
        return {"ratio": str(labels["text"]), "interval": ""}
    interval = (
        f"95 % interval {words['low']} to {words['high']}"
        if "low" in words and "high" in words
        else str(labels["text"]).partition("(")[2].rstrip(")")
    )
    return {"ratio": words["ratio"], "interval": interval}


def smallest(value: float | None, metric: MetricWords) -> str:
    if value is None:
        return "Smallest difference these labels can resolve: not known, there are too few draws or scored groups."
    size = number(metric.scale * value, digits(value, metric))
    return f"Smallest difference these labels can resolve: {in_unit(size, metric.of_differences)}."


def strip(primary: Mapping[str, Any], resolvable: float | None, metric: MetricWords, context: Context) -> Markup:
    """The difference and its interval on one axis."""
    style = context.styles.get(primary["arm"])
    low, high, band = (None if value is None else metric.scale * value for value in (primary.get("low"), primary.get("high"), resolvable))
    mean_difference = in_unit(difference(primary["mean"], metric), metric.of_differences)
    sides = (str(primary["against"]), str(primary["arm"]))  # who is better on the left of zero, and on its right
    alt = f"Difference {mean_difference}; {span(primary, metric)}. The gray band is what these labels cannot resolve."
    return svg_figures.strip(
        metric.scale * primary["mean"],
        low,
        high,
        band,
        style.colour if style else svg_figures.INK,
        alt,
        sides if metric.higher_is_better else sides[::-1],
        least=metric.scale / 100,
    )


def why(notes: list[str]) -> str:
    """The run's own sentence about its labels."""
    return next((note for note in notes if "label" in note.lower()), "no image with a label was scored.")
