"""What may be said of a run: computed from its files alone, so that anyone can compute it again."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import yaml

from labelfree.data.budgets import largest
from labelfree.data.chosen import INDICATIVE
from labelfree.data.splits import FEW
from labelfree.errors import DataError
from labelfree.recipe import Evaluate, Primary
from labelfree.training.files import read_json, write_json
from labelfree.transfer.arms import is_baseline
from labelfree.transfer.cells import INNER, UNDERTRAINED
from labelfree.transfer.claims.curves import saved_at
from labelfree.transfer.claims.intervals import Interval, from_folds, from_test
from labelfree.transfer.claims.labels_saved import LabelsSaved
from labelfree.transfer.claims.operating_points import OperatingPoint, operating_points
from labelfree.transfer.claims.scores import Point, Scores, paired, read_scores
from labelfree.transfer.claims.sentences import caption, headline, method, strongest_words, undertrained_words
from labelfree.transfer.claims.short_training import short_words
from labelfree.transfer.network_sizes import read_sizes, sized

FILE = "claims.json"
UNCLAIMED = ("no claim", INDICATIVE.lower())  # verdicts that save no labels


@dataclass(frozen=True)
class Comparison:
    """One arm against another at one point: differences of the metric. `low`, `high`: 95 % bounds; None where the labels allow none.

    `verdict`: `better`, `worse`, `no significant difference`, `no claim` (undertrained, or withheld for the reason given), or
    `indicative only` (scored on images that were chosen).
    """

    arm: str
    against: str
    protocol: str
    budget: str
    metric: str
    mean: float
    low: float | None
    high: float | None
    se: float | None
    df: float
    p: float
    parts: dict[str, float]
    undertrained: bool
    withheld: str = ""
    verdict: str = "no claim"

    def bounds(self, alpha: float) -> tuple[float | None, float | None]:
        """Bounds of the difference at confidence 1 - `alpha`; None where the labels allow none."""
        low, high = Interval(self.mean, math.inf if self.se is None else self.se, self.df).bounds(alpha)
        return (low, high) if math.isfinite(low) and math.isfinite(high) else (None, None)


@dataclass(frozen=True)
class TableRow:
    """One point of one curve. `x`: labels as the task counts them (labels a class). `size`: the input size chosen most often.

    `undertrained`: how many cells had a solver that did not converge.
    """

    arm: str
    backbone: str
    protocol: str
    budget: str
    x: float
    n_labels: float
    metric: str
    mean: float
    low: float | None
    high: float | None
    draws: int
    seeds: int
    size: int
    undertrained: int


@dataclass(frozen=True)
class Claims:
    """`primary` is the only claim; `comparisons` and `table` are exploratory.

    `resolvable`: the "smallest difference these labels can resolve". `undertrained`, `notes`: sentences. `caption`: of the table.
    `operating`: what thresholds do at the primary's point, None where the recipe asks for none.
    """

    headline: str
    primary: Comparison | None
    resolvable: float | None
    labels_saved: LabelsSaved | None
    table: list[TableRow]
    comparisons: list[Comparison]
    strongest_imagenet: dict[str, Any] | None
    envelope: list[dict[str, Any]]
    undertrained: list[str]
    caption: str
    method: str
    notes: list[str] = field(default_factory=list)
    operating: list[OperatingPoint] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON: no infinities, and what is printed of `labels_saved` beside its numbers."""
        plain = asdict(self)
        if self.operating is None:
            del plain["operating"]
        saved = self.labels_saved
        if saved is not None:
            plain["labels_saved"]["text"] = str(saved)
            numbers = {"ratio": saved.ratio, "low": saved.low, "high": saved.high}
            plain["labels_saved"]["words"] = {key: saved.words(value) for key, value in numbers.items() if value is not None}
        finite: dict[str, Any] = _finite(plain)
        return finite


def save_claims(folder: Path) -> Claims:
    """Compute the claims of a run and write them to claims.json."""
    claims = claims_of(folder)
    write_json(folder / FILE, claims.to_dict())
    return claims


def claims_of(folder: Path) -> Claims:
    """The claims of a run folder, from results.csv, predictions.parquet and the primary in recipe.yaml.

    Raises DataError where a file is missing.
    """
    return claims_and_scores(folder)[0]


def claims_and_scores(folder: Path) -> tuple[Claims, Scores]:
    """As `claims_of`, and the scores they were computed from."""
    recipe = folder / "recipe.yaml"
    if not recipe.is_file():
        raise DataError(f"{recipe}: missing, so the primary is unknown. Name a folder that `labelfree run` wrote.")
    read = yaml.safe_load(recipe.read_text(encoding="utf-8")) or {}
    settings = Evaluate.model_validate(read.get("evaluate", {}))
    card, decided = (read_json(path) if (path := folder / name).is_file() else {} for name in ("card.json", "evaluation.json"))
    scores = read_scores(folder, settings.primary.metric, int(read.get("seed", 0)))
    notes = [*decided.get("notes", ()), *filter(None, [decided.get("scored")])]
    generated, indicative = bool(card.get("generated")), decided.get("indicative", "")
    networks = read_sizes(folder)
    claims = assemble(scores, settings.primary, generated=generated, notes=notes, indicative=indicative, networks=networks)
    if settings.max_false_alarms is not None and not absent_arms(scores, settings.primary):
        names, point = read_json(folder / "classes.json"), _primary_point(scores, settings.primary)[0]
        claims = replace(claims, operating=operating_points(scores, point, settings.primary.against, settings.max_false_alarms, names))
    return claims, scores


def assemble(
    scores: Scores,
    primary: Primary,
    *,
    generated: bool = False,
    notes: Iterable[str] = (),
    indicative: str = "",
    networks: Mapping[str, int] = MappingProxyType({}),
) -> Claims:
    """Claims from scores. `generated`: the data are made up, so no labels are saved by anything. `indicative`: why the scored images are
    no sample of those to come, so that nothing is claimed. `networks`: how many weights each has.

    Where an arm of the primary was left out nothing is claimed, and the table stands alone.
    """
    table = [_row(scores, point) for point in scores.cells]
    facing = [point for point in scores.cells if point[0] != primary.against and (primary.against, *point[1:]) in scores.cells]
    words = scores.words
    few = _fewest(scores)
    doubts = [f"{INDICATIVE}: the rarest {words.budget.stratum} has {few} labels."] if scores.crossed and few < FEW else []
    doubts += [indicative] if indicative else []
    asked = [scores.task.protocol(name) for name in scores.task.protocols if any(row.protocol == name for row in table)]
    remarks = [*notes, *doubts, *short_words(table, asked, words)]
    claims = Claims(
        headline="",
        primary=None,
        resolvable=None,
        labels_saved=None,
        table=table,
        comparisons=[
            _in_doubt(each, indicative) for point in facing if math.isfinite((each := compare_at(scores, point, primary.against)).mean)
        ],
        strongest_imagenet=None,
        envelope=_envelope(scores),
        undertrained=[undertrained_words(row, words) for row in table if row.undertrained],
        caption=caption(asked),
        method=method(scores.folds if scores.crossed else None, scores.group_count),
    )
    if absent := absent_arms(scores, primary):
        return replace(claims, headline=f"No claim: {absent[0]} of the primary comparison was not scored.", notes=remarks)
    point, moved = _primary_point(scores, primary)
    if lacking := _undefined(scores, point, primary.against):
        return replace(claims, headline=f"No claim: {lacking}", notes=list(dict.fromkeys([*remarks, *moved])))
    main, others = _held_to(scores, point, primary.against, networks)
    main = _in_doubt(main, indicative)
    interval = interval_of(scores, point, primary.against)
    if "seeds" not in interval.parts:
        moved.append("The spread between pretrainings is not in the intervals.")
    strongest, remark = _strongest(scores, point, primary.against, indicative)
    saved = None if generated or main.verdict in UNCLAIMED else saved_at(scores, point, primary.against)
    return replace(
        claims,
        headline=headline(main, saved, words, bool(doubts), generated),
        primary=main,
        resolvable=interval.resolvable if math.isfinite(interval.resolvable) else None,
        labels_saved=saved,
        strongest_imagenet=strongest,
        notes=list(dict.fromkeys([*remarks, *moved, *others, *remark])),
    )


def absent_arms(scores: Scores, primary: Primary) -> list[str]:
    """Those of the primary's two that were not asked by its protocol."""
    return [arm for arm in (primary.arm, primary.against) if not any(point[:2] == (arm, primary.protocol) for point in scores.cells)]


def _undefined(scores: Scores, point: Point, against: str) -> str:
    """Why the metric has no value at the primary's point, in a sentence; "" where it has."""
    other: Point = (against, *point[1:])  # type: ignore[assignment]
    if np.isfinite(scores.values(point)).any() and np.isfinite(scores.values(other)).any():
        return ""
    seed, draw, _ = next(iter(scores.cells[point]))
    why = scores.task.lacking(scores.whole(point, seed, draw).answers)
    return f"{scores.words.metric(scores.metric.name).words} is not defined, for {why}."


def _primary_point(scores: Scores, primary: Primary) -> tuple[Point, list[str]]:
    """The primary's point; it moves to the largest remaining budget where its own was dropped."""
    budgets = [budget for arm, protocol, budget in scores.cells if (arm, protocol) == (primary.arm, primary.protocol)]
    wanted = str(primary.budget)
    if wanted in budgets:
        return (primary.arm, primary.protocol, wanted), []
    left = largest(budgets)
    named = scores.task.budget
    moved = f"The primary's budget, {named.of(wanted)}, was dropped; the primary moved to {named.of(left)}."
    return (primary.arm, primary.protocol, left), [moved]


def _held_to(scores: Scores, point: Point, against: str, networks: Mapping[str, int]) -> tuple[Comparison, list[str]]:
    """The primary comparison. Across architectures it must also beat `random` of its own (docs/protocol.md, 9)."""
    main = compare_at(scores, point, against)
    backbone, reference = (_rows_at(scores, (arm, *point[1:]))[0]["backbone"] for arm in (point[0], against))
    if backbone == reference or not (backbone and reference):  # statistics have no architecture
        return main, []
    remarks = [f"Different architecture: {point[0]} is {sized(backbone, networks)}, {against} is {sized(reference, networks)}."]
    baseline: Point = ("random", *point[1:])  # type: ignore[assignment]
    known = baseline in scores.cells and _rows_at(scores, baseline)[0]["backbone"] == backbone
    if main.verdict != "better" or (known and compare_at(scores, point, "random").verdict == "better"):
        return main, remarks
    why = f"{point[0]} is not shown to beat random weights of its own architecture"
    return replace(main, withheld=why, p=1.0, verdict="no claim"), remarks


def _in_doubt(comparison: Comparison, indicative: str) -> Comparison:
    """A comparison on images that were chosen: its difference is told, and nothing is claimed of it."""
    if not indicative or comparison.verdict == "no claim":
        return comparison
    return replace(comparison, withheld="the scored images were chosen", p=1.0, verdict=INDICATIVE.lower())


def interval_of(scores: Scores, point: Point, against: str | None = None) -> Interval:
    """The interval of a point's mean, or of its difference to another arm's."""
    values, draws = scores.judged(point)
    if against is not None:
        other: Point = (against, *point[1:])  # type: ignore[assignment]
        seeds, (theirs, resampled) = (scores.seeds(point), scores.seeds(other)), scores.judged(other)
        values = paired(values, theirs, seeds)
        draws = None if draws is None or resampled is None else paired(draws, resampled, seeds)
    if draws is None:
        folds = values.mean(1).ravel()
        return from_folds(folds[np.isfinite(folds)], scores.folds)  # a fold without two classes has no AUROC
    mean = draws.mean((0, 1))
    return from_test(values[:, :, 0], mean[np.isfinite(mean)], scores.group_count)  # nor has such a resampling


def compare_at(scores: Scores, point: Point, against: str) -> Comparison:
    """The arm of `point` against another arm at the same protocol and budget."""
    interval = interval_of(scores, point, against)
    undertrained = any(_undertrained(scores, (arm, *point[1:])) for arm in (point[0], against))
    low, high, se = (value if math.isfinite(value) else None for value in (interval.low, interval.high, interval.se))
    p = 1.0 if undertrained else interval.p
    arm, protocol, budget = point
    return Comparison(
        arm=arm,
        against=against,
        protocol=protocol,
        budget=budget,
        metric=scores.metric.name,
        mean=interval.mean,
        low=low,
        high=high,
        se=se,
        df=interval.df,
        p=p,
        parts=interval.parts,
        undertrained=undertrained,
        verdict="no claim" if undertrained else _verdict(low, high, scores.metric.sign),
    )


def _verdict(low: float | None, high: float | None, sign: float) -> str:
    """What an interval of differences shows. `sign`: 1 where more is better, else -1."""
    if low is None or high is None or low <= 0 <= high:
        return "no significant difference"
    return "better" if sign * low > 0 else "worse"


def _rows_at(scores: Scores, point: Point) -> list[dict[str, str]]:
    return [row for row in scores.rows() if (row["arm"], row["protocol"], row["budget"]) == point]


def _undertrained(scores: Scores, point: Point) -> int:
    return sum(UNDERTRAINED in row["flags"].split(";") for row in _rows_at(scores, point))


def _row(scores: Scores, point: Point) -> TableRow:
    interval, rows = interval_of(scores, point), _rows_at(scores, point)
    sizes = [int(row["size"]) for row in rows]
    low, high = (value if math.isfinite(value) else None for value in (interval.low, interval.high))
    return TableRow(
        arm=point[0],
        backbone=rows[0]["backbone"],
        protocol=point[1],
        budget=point[2],
        x=scores.x(point),
        n_labels=scores.labels(point),
        metric=scores.metric.name,
        mean=interval.mean,
        low=low,
        high=high,
        draws=len(scores.draws(point)),
        seeds=len(scores.seeds(point)),
        size=max(sorted(set(sizes)), key=sizes.count),
        undertrained=_undertrained(scores, point),
    )


def _strongest(scores: Scores, point: Point, against: str, indicative: str) -> tuple[dict[str, Any] | None, list[str]]:
    """The ImageNet arm with the best mean inner score at the primary's budget, else at the next larger one that has inner scores.

    Where it isn't the arm compared with, the comparison with it comes along, exploratory.
    """
    baselines = sorted({arm for arm, _, _ in scores.cells if is_baseline(arm)})
    budgets = list(dict.fromkeys(budget for _, _, budget in scores.cells))
    for budget in budgets[budgets.index(point[2]) :]:
        means = {}
        for arm in baselines:
            flags = [flag for row in _rows_at(scores, (arm, point[1], budget)) for flag in row["flags"].split(";")]
            inner = [float(flag.removeprefix(INNER)) for flag in flags if flag.startswith(INNER)]
            if inner:
                means[arm] = float(np.mean(inner))
        if means:
            winner = max(means, key=lambda arm: scores.metric.sign * means[arm])
            strongest: dict[str, Any] = {"arm": winner, "budget": budget, "inner": means[winner], "among": means}
            if winner in (point[0], against):
                return strongest, []
            other = _in_doubt(compare_at(scores, point, winner), indicative)
            return strongest | {"comparison": asdict(other)}, [strongest_words(other, scores.words)]
    return None, []


def _envelope(scores: Scores) -> list[dict[str, Any]]:
    """ImageNet's best input size by the scores themselves, for each protocol and budget: drawn, never claimed."""
    values_of: dict[tuple[str, str], dict[tuple[str, int], list[float]]] = {}
    for row in scores.rows(envelope=True):
        sizes = values_of.setdefault((row["protocol"], row["budget"]), {})
        sizes.setdefault((row["arm"], int(row["size"])), []).append(float(row["value"] or "nan"))
    drawn = []
    for (protocol, budget), sizes in values_of.items():
        sizes = {at: values for at, values in sizes.items() if np.isfinite(values).any()}
        if not sizes:
            continue
        (arm, size), values = max(sizes.items(), key=lambda item: scores.metric.sign * np.nanmean(item[1]))
        point = {"arm": arm, "protocol": protocol, "budget": budget, "x": scores.x((arm, protocol, budget))}
        drawn.append(point | {"size": size, "mean": float(np.nanmean(values))})
    return drawn


def _fewest(scores: Scores) -> int:
    """Scored rows of the rarest stratum; without a test split these are all the labels there are."""
    point, cells = next(iter(scores.cells.items()))
    seed, draw, _ = next(iter(cells))
    return scores.task.rarest(scores.whole(point, seed, draw).answers)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
