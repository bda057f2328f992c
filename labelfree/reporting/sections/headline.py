"""What came out: the one claim named before the run, in a sentence that reads the same for a win, a loss and a tie."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from labelfree.reporting import still
from labelfree.reporting.sections.base import Context, Section
from labelfree.reporting.words import budget, count, metric, number, p_value, points, protocol

FEW = 10  # labels of the rarest class, below which every number is indicative only (PROTOCOL 1)


def build(context: Context) -> Section:
    run = context.run
    primary = run.claims.get("primary")
    if not primary:
        why = "There are no scores, so nothing could be compared: " + (_first(run.notes) or "the run held no labelled images.")
        return Section("result", "Result", absent=why)
    outcome = verdict(primary)
    values = {
        "outcome": "generated" if run.generated else outcome,
        "sentence": generated_sentence(primary) if run.generated else sentence(primary, outcome),
        "question": question(primary),
        "difference": points(primary.get("difference")),
        "interval": span(primary),
        "level": round(100 * float(primary.get("level") or 0.95)),
        "p": p_value(primary.get("p")),
        "saved": None if run.generated else run.claims.get("labels_saved"),
        "smallest": smallest(run.claims.get("smallest_difference")),
        "strip": interval_strip(primary, run.claims.get("smallest_difference"), context),
        "remarks": [] if run.generated and not primary.get("moved_from") else remarks(primary, run.claims),
        "indicative": indicative(context),
        "budget": budget(primary.get("budget")),
    }
    return Section("result", "Result", values)


def verdict(primary: Mapping[str, Any]) -> str:
    """win, loss or tie, from the interval alone; an undertrained comparison carries no claim (PROTOCOL 15)."""
    low, high = primary.get("low"), primary.get("high")
    if primary.get("undertrained") or low is None or high is None or low <= 0 <= high or primary.get("significant") is False:
        return "tie"
    return "win" if low > 0 else "loss"


def question(primary: Mapping[str, Any]) -> str:
    return f"{primary['arm']} against {primary['against']}: {metric(primary['metric'])}, {protocol(primary['protocol'])}, {budget(primary['budget'])}"


def sentence(primary: Mapping[str, Any], outcome: str) -> str:
    """The comparison in one plain sentence."""
    arm, against, measured = primary["arm"], primary["against"], metric(primary["metric"])
    at = f"With {budget(primary['budget'])}"
    gap = f"{number(abs(100 * primary['difference']))} points of {measured}"
    if outcome == "win":
        return f"{at}, {arm} is better than {against} by {gap}."
    if outcome == "loss":
        return f"{at}, {arm} is worse than {against} by {gap}."
    if primary.get("undertrained"):
        return f"{at}, the comparison of {arm} and {against} carries no claim: a head had not finished training."
    return f"No significant difference: {at[0].lower()}{at[1:]}, {arm} and {against} differ by {points(primary['difference'])} points of {measured}, within what chance explains."


def generated_sentence(primary: Mapping[str, Any]) -> str:
    return (
        f"The pipeline ran from end to end. {primary['arm']} and {primary['against']} differ by {points(primary['difference'])} points of "
        f"{metric(primary['metric'])} with {budget(primary['budget'])}; on generated images that says nothing about either, and nothing is claimed."
    )


def span(primary: Mapping[str, Any]) -> str:
    if primary.get("low") is None or primary.get("high") is None:
        return "no interval: too few draws or images to give one"
    return f"{points(primary['low'])} to {points(primary['high'])}"


def smallest(value: float | None) -> str:
    if value is None:
        return "Smallest difference these labels can resolve: not known, the interval could not be computed."
    return f"Smallest difference these labels can resolve: {number(100 * value)} points."


def interval_strip(primary: Mapping[str, Any], resolvable: float | None, context: Context) -> Any:
    if primary.get("difference") is None:
        return ""
    style = context.styles.get(primary["arm"])
    scaled = [None if value is None else 100 * value for value in (primary["difference"], primary.get("low"), primary.get("high"), resolvable)]
    alt = f"Difference {points(primary['difference'])} points, interval {span(primary)}; the gray band is what these labels cannot resolve."
    return still.strip(scaled[0] or 0.0, scaled[1], scaled[2], scaled[3], style.colour if style else "#1f2933", alt)


def remarks(primary: Mapping[str, Any], claims: Mapping[str, Any]) -> list[str]:
    """What a careful reader must know of this one claim."""
    said = []
    if moved := primary.get("moved_from"):
        said.append(f"The recipe named {budget(moved)}; there are too few labels for it, so the claim moved to {budget(primary['budget'])}.")
    if primary.get("undertrained"):
        said.append("Undertrained: a head of one of the two arms was still improving when it stopped, so this comparison carries no claim.")
    draws, seeds = int(primary.get("draws") or 0), int(primary.get("seeds") or 0)
    if draws:
        scored = f", {count(int(primary['scored_groups']), 'independent group')} of scored images" if primary.get("scored_groups") else ""
        said.append(f"The interval covers the luck of {count(draws, 'draw')} of labels{scored}" + (f" and {count(seeds, 'pretraining seed')}." if seeds > 1 else "."))
    if seeds <= 1:
        said.append("One pretraining seed: how much another seed would change the result is not in the interval.")
    strongest = claims.get("strongest_imagenet") or {}
    if (name := strongest.get("arm")) and name != primary["against"]:
        said.append(f"By cross-validation inside the labels, the strongest ImageNet arm at this budget is {name}, not {primary['against']}: see the table.")
    return said


def indicative(context: Context) -> str:
    """The "indicative only" line, when the rarest class has fewer than ten labelled images to score with."""
    rarest = rarest_class(context)
    if rarest is None or rarest[1] >= FEW:
        return ""
    return f"Indicative only: class {rarest[0]} has {count(rarest[1], 'labelled image')}, fewer than {FEW} a class."


def rarest_class(context: Context) -> tuple[str, int] | None:
    """The class with fewest different scored rows in predictions.parquet, and how many."""
    path = context.run.folder / "predictions.parquet"
    if not path.is_file():
        return None
    import pyarrow.parquet as pq

    names = set(pq.read_schema(path).names)
    key = next((name for name in ("row", "row_id", "id") if name in names), None)
    if key is None or "target" not in names:
        return None
    scored = pq.read_table(path, columns=[key, "target"]).group_by([key, "target"]).aggregate([]).column("target").to_pylist()
    found: dict[Any, int] = defaultdict(int)
    for target in scored:
        found[target] += 1
    rarest = min(found, key=lambda target: found[target])
    classes = context.run.classes
    return (classes[rarest] if isinstance(rarest, int) and rarest < len(classes) else str(rarest)), found[rarest]


def _first(notes: list[str]) -> str:
    return next((note for note in notes if "label" in note.lower()), "")
