"""What came out: the one claim named before the run, in a sentence that reads the same for a win, a loss and a tie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from labelfree.reporting import svg_figures
from labelfree.reporting.sections.base import Context, Section
from labelfree.reporting.words import budget, metric, number, p_value, points, protocol

OUTCOMES = {"better": "win", "worse": "loss", "no claim": "void"}
FEW = "Indicative only"  # begins the note of claims.json on too few labels


def build(context: Context) -> Section:
    run = context.run
    primary = run.claims.get("primary")
    if not primary:
        return Section(
            "result", "Result", absent=run.claims.get("headline") or f"There are no scores, so there is no result: {why(run.notes)}"
        )
    outcome = "generated" if run.generated else OUTCOMES.get(str(primary.get("verdict")), "tie")
    resolvable = run.claims.get("resolvable")
    indicative = [note for note in run.claim_notes if note.startswith(FEW)]
    values = {
        "outcome": outcome,
        "sentence": sentence(primary, outcome),
        "question": question(primary),
        "difference": points(primary.get("mean")),
        "interval": span(primary),
        "p": "" if run.generated else p_value(primary.get("p")),
        "saved": None if outcome in ("generated", "void") else saved(run.claims.get("labels_saved")),
        "smallest": smallest(resolvable),
        "strip": strip(primary, resolvable, context),
        "remarks": [note for note in run.claim_notes if note not in indicative],
        "indicative": indicative,
        "budget": budget(primary["budget"]),
        "against": primary["against"],
        "method": run.claims.get("method", ""),
    }
    return Section("result", "Result", values)


def question(primary: Mapping[str, Any]) -> str:
    """What was claimed, as the recipe named it."""
    measured = f"{metric(primary['metric'])}, {protocol(primary['protocol'])}, {budget(primary['budget'])}"
    return f"{primary['arm']} against {primary['against']}, {measured}"


def sentence(primary: Mapping[str, Any], outcome: str) -> str:
    """The comparison in one plain sentence."""
    arm, against, measured, at = primary["arm"], primary["against"], metric(primary["metric"]), f"ith {budget(primary['budget'])}"
    gap = f"{number(abs(100 * primary['mean']))} points of {measured}"
    return {
        "win": f"W{at}, {arm} is better than {against} by {gap}.",
        "loss": f"W{at}, {arm} is worse than {against} by {gap}.",
        "void": f"No claim: w{at}, {primary.get('withheld') or f'a solver of {arm} or {against} did not converge'}.",
        "tie": f"No significant difference: w{at}, {arm} and {against} are {gap} apart, which chance alone can explain.",
        "generated": f"The pipeline ran from end to end. Here {arm} and {against} are {gap} apart; made-up images say nothing of either.",
    }[outcome]


def span(primary: Mapping[str, Any]) -> str:
    """The interval of the difference, or why there is none."""
    if primary.get("low") is None or primary.get("high") is None:
        return "no interval: too few draws or scored groups"
    return f"95 % interval {points(primary['low'])} to {points(primary['high'])}"


def saved(found: Mapping[str, Any] | None) -> dict[str, str] | None:
    """Labels saved, the ratio apart from its interval."""
    if not found:
        return None
    words = found.get("words") or {}
    if "ratio" not in words:
        return {"ratio": str(found["text"]), "interval": ""}
    interval = (
        f"95 % interval {words['low']} to {words['high']}"
        if "low" in words and "high" in words
        else str(found["text"]).partition("(")[2].rstrip(")")
    )
    return {"ratio": words["ratio"], "interval": interval}


def smallest(value: float | None) -> str:
    if value is None:
        return "Smallest difference these labels can resolve: not known, there are too few draws or scored groups."
    return f"Smallest difference these labels can resolve: {number(100 * value)} points."


def strip(primary: Mapping[str, Any], resolvable: float | None, context: Context) -> Markup:
    """The difference and its interval on one axis."""
    style = context.styles.get(primary["arm"])
    low, high, band = (None if value is None else 100 * value for value in (primary.get("low"), primary.get("high"), resolvable))
    alt = f"Difference {points(primary['mean'])} points; {span(primary)}. The gray band is what these labels cannot resolve."
    return svg_figures.strip(
        100 * primary["mean"],
        low,
        high,
        band,
        style.colour if style else svg_figures.INK,
        alt,
        (str(primary["against"]), str(primary["arm"])),
    )


def why(notes: list[str]) -> str:
    """The run's own sentence about its labels."""
    return next((note for note in notes if "label" in note.lower()), "no image with a label was scored.")
