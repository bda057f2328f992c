"""What thresholds do on scored images: misses and false alarms of both arms at the primary's point (docs/protocol.md, 17)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labelfree.transfer.alarms import ANY_CLASS, Counts
from labelfree.transfer.claims.scores import Point, Scores
from labelfree.transfer.operating import Share

CELL = ("seed", "draw", "fold")


@dataclass(frozen=True)
class OperatingPoint:
    """One arm's. `alarm`: the class that is looked for, "" of any; `most`: false alarms that were allowed, and `bound` in words.
    `thresholds`: of each cell, set inside its own labels. `unit`: what is counted, `image`, or `group` where images share any. `missed`,
    `false_alarms`: counts are means over `draws` (and seeds), as is `raised`, false alarms in all; None where labels were too few to set a
    threshold. `sentence`: all of it.
    """

    arm: str
    alarm: str
    most: float
    bound: str
    thresholds: list[float]
    unit: str
    draws: int
    missed: Share | None
    false_alarms: Share | None
    raised: float | None
    sentence: str


def operating_points(scores: Scores, point: Point, against: str, most: float, classes: Sequence[str]) -> list[OperatingPoint]:
    """Of the primary's arm at its `point` and of that it is compared with, from the thresholds in results.csv and the scored rows."""
    return [_of_arm(scores, (arm, *point[1:]), most, classes) for arm in (point[0], against)]  # type: ignore[arg-type]


def _of_arm(scores: Scores, point: Point, most: float, classes: Sequence[str]) -> OperatingPoint:
    cells, flags = scores.cells[point], _flags(scores, point)
    positive = int(next(iter(flags.values()))["alarm"])
    alarm = "" if positive == ANY_CLASS else classes[positive]
    times = len(scores.draws(point)) * len(scores.seeds(point))
    unit = "image" if all(len(set(cell.groups.tolist())) == len(cell.groups) for cell in cells.values()) else "group"
    alarms = {key: scores.task.alarms(cell.answers, positive, cell.groups) for key, cell in cells.items()}
    words = next(iter(alarms.values())).words(alarm, most, unit)
    told = {key: float(flags[key]["threshold"]) for key in cells if "threshold" in flags[key]}
    thresholds = [told[key] for key in sorted(told)]
    if len(told) < len(cells):
        why = "its labels are too few to hold any out; a larger primary.budget has one"
        if unit == "group" and not any(each.at(0.0).negatives for each in alarms.values()):
            why = f"for every group shows {alarm or 'something'}, and false alarms are counted by groups that show none"
        sentence = f"{point[0]}: no threshold, {why}."
        return OperatingPoint(point[0], alarm, most, words.bound, thresholds, unit, times, None, None, None, sentence)
    mean = sum((alarms[key].at(told[key]) for key in cells), Counts(0, 0, 0, 0, 0)).over(times)
    missed, false = Share.of(mean.missed, mean.positives), Share.of(mean.false_alarms, mean.negatives)
    low, high = min(thresholds), max(thresholds)
    at = f"{low:.3g}" if f"{low:.3g}" == f"{high:.3g}" else f"{low:.3g} to {high:.3g}"
    drawn = f" (mean of {times} draws)" if times > 1 else ""
    said = [_words(missed, words.missed), _words(false, words.false)]
    said += [f"{mean.raised / mean.negatives:.3g} {words.raised}"] if words.raised else []
    sentence = f"{point[0]}, {words.called} from a score of {at} on{drawn}: {'; '.join(said)}."
    return OperatingPoint(point[0], alarm, most, words.bound, thresholds, unit, times, missed, false, mean.raised, sentence)


def _flags(scores: Scores, point: Point) -> dict[tuple[int, ...], Mapping[str, str]]:
    """What results.csv says of each cell of a point, by seed, draw and fold."""
    found = dict[tuple[int, ...], Mapping[str, str]]()
    for row in scores.rows():
        if (row["arm"], row["protocol"], row["budget"]) == point:
            parts = (flag.partition("=") for flag in row["flags"].split(";"))
            found[tuple(int(row[name]) for name in CELL)] = {name: value for name, _, value in parts}
    return found


def _words(share: Share, what: str) -> str:
    """`0 of 40 images of burnt missed: at most 7.2 %, one-sided 95 %`."""
    if not share.whole:
        return f"{what}: not defined, there are none"
    said = f"{share.count:g} of {share.whole:g} {what}"
    if not share.count:
        return f"{said}: at most {100 * share.at_most:.1f} %, one-sided 95 %"
    return f"{said}: {100 * share.count / share.whole:.1f} %, 95 % interval {100 * share.low:.1f} to {100 * share.high:.1f} %"
