"""Arms of different runs against each other, where both scored the same rows after the same labels: exploratory, never claimed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from labelfree.comparing.runs import ComparedRun
from labelfree.comparing.scored_rows import Part, ScoredRows
from labelfree.transfer.claims import Comparison, compare_at
from labelfree.transfer.claims.scores import Point


@dataclass(frozen=True)
class Across:
    """The primary arm of `first` against that of `second`. `draws`: those that both have."""

    first: ComparedRun
    second: ComparedRun
    comparison: Comparison
    draws: int


def across(runs: Sequence[ComparedRun], rows: Sequence[ScoredRows]) -> tuple[list[Across], list[str]]:
    """Every two runs of one question, at the points of their primaries that both scored; and why two could not be paired.

    `runs` are scored ones, `rows` theirs. Differences come from the predictions of both, as within a run.
    """
    found: list[Across] = []
    apart: list[str] = []
    for (first, its), (second, others) in combinations(zip(runs, rows, strict=True), 2):
        if first.question != second.question:
            continue
        parts = its.alike(others)
        if not parts:
            apart.append(_why_apart(first, second, its, others))
            continue
        pairs = [pair for point in _points(first, second) if (pair := _pair(first, second, point, parts))]
        found += pairs
        if not pairs:
            apart.append(f"#{first.number} and #{second.number} have no budget and protocol in common at which their primaries stand.")
    return found, apart


def _points(first: ComparedRun, second: ComparedRun) -> list[tuple[str, str]]:
    """Protocols and budgets of both primaries."""
    mains = [run.comparison for run in (first, second) if run.comparison is not None]
    return list(dict.fromkeys((main.protocol, main.budget) for main in mains))


def _pair(first: ComparedRun, second: ComparedRun, at: tuple[str, str], parts: Sequence[Part]) -> Across | None:
    points: list[tuple[ComparedRun, Point]] = [(run, (run.primary.arm, *at)) for run in (first, second)]
    kept = [run.scores.cells.get(point, {}) if run.scores is not None else {} for run, point in points]
    draws = {draw for _, draw, _ in kept[0]} & {draw for _, draw, _ in kept[1]}
    common = {draw for draw in draws if all(key[1:] in parts for cells in kept for key in cells if key[1] == draw)}
    if not common:
        return None
    scores = first.scores
    assert scores is not None
    named: list[Point] = [(run.named(point[0]), *at) for run, point in points]
    cells = {name: {key: cell for key, cell in its.items() if key[1] in common} for name, its in zip(named, kept, strict=True)}
    results = [
        row | {"arm": name[0]}
        for (run, point), name in zip(points, named, strict=True)
        for row in (run.scores.results if run.scores else ())
        if (row["arm"], row["protocol"], row["budget"]) == point and int(row["draw"]) in common
    ]
    both = replace(scores, cells=cells, results=results, _resampled={})  # the same groups, metric and stream
    compared = compare_at(both, named[0], named[1][0])
    return Across(first, second, replace(compared, arm=named[0][0], against=named[1][0]), len(common))


def _why_apart(first: ComparedRun, second: ComparedRun, its: ScoredRows, others: ScoredRows) -> str:
    """One sentence for two runs that look alike and cannot be paired."""
    both = f"Arms of #{first.number} and #{second.number} are not paired: "
    if its.scored.isdisjoint(others.scored):
        if its.salted or others.salted:
            alike = "pair only where both runs were hidden with one salt, that of one data set on one machine"
            return f"{both}names of rows are hidden (report.share) and {alike}."
        return f"{both}they scored different rows."
    if its.scored != others.scored or not any(its.judged.get(part) == other for part, other in others.judged.items()):
        return f"{both}their scored rows, groups or labels are not all the same."
    return f"{both}their draws learnt from different labels (another seed, or other training rows)."
