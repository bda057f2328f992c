"""The sections of the page: the family, the curves, arms of different runs, the runs themselves, how it was computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from labelfree.comparing.across import Across
from labelfree.comparing.family import ALPHA, Tested
from labelfree.comparing.runs import ComparedRun
from labelfree.reporting.charts import Chart, styles
from labelfree.reporting.sections.base import Section
from labelfree.reporting.sections.efficiency import charts
from labelfree.reporting.svg_figures import swatch, whisker
from labelfree.reporting.tables import score_tables
from labelfree.reporting.words import count, difference, in_unit, listed, p_value
from labelfree.transfer.claims import Comparison
from labelfree.transfer.words import MetricWords

COLOURS = {"better": "#15803d", "worse": "#b42318"}
UNDECIDED = "#5f6b7a"
METHOD = (
    "Every difference, interval and p is computed again from each run's predictions.parquet; claims.json is not read for it.",
    "The family is the primary of every run named here, each chosen before its run. Holm (1979): the smallest of m p values is tested at "
    f"{ALPHA:g}/m, the next at {ALPHA:g}/(m − 1), and so on up to the first that fails; from there on nothing is claimed. So under no "
    f"difference anywhere the chance of even one false claim is at most {ALPHA:.0%}.",
    "An interval is printed at the level its primary was tested at: wider than the 95 % of the run's own report.",
    "A run that is unfinished, that compared nothing, or whose primary carries no claim counts with p = 1: leaving it out would make the "
    "others look better. Runs that are not named here are in no level.",
)


def family_section(tested: Sequence[Tested]) -> Section:
    """The primaries, a table a question; those without scores last."""
    tables = []
    for question in _questions([each.run for each in tested]):
        lines = [each for each in tested if each.run.question == question]
        metric = lines[0].run.metric
        bounds = [value for each in lines for value in (each.mean, each.low, each.high) if value is not None]
        reach = max(map(abs, bounds), default=1.0) * metric.scale or 1.0
        sides = ("worse", "better") if metric.higher_is_better else ("better", "worse")
        shown = [_line(each, metric, reach) for each in lines]
        tables.append({"title": _title(lines[0].run), "unit": metric.of_differences, "sides": sides, "lines": shown})
    silent = [_line(each, each.run.metric, 1.0) for each in tested if each.run.scores is None]
    claimed = sum(each.claimed for each in tested)
    return Section(
        "primaries",
        "What may be claimed",
        {"tables": tables, "silent": silent},
        lead=f"{count(len(tested), 'primary', 'primaries')}, tested as one family: {claimed or 'none'} claimed.",
    )


def _line(each: Tested, metric: MetricWords, reach: float) -> dict[str, Any]:
    run, primary = each.run, each.run.primary
    low, high = difference(each.low, metric), difference(each.high, metric)
    mean, start, end = (None if value is None else metric.scale * value for value in (each.mean, each.low, each.high))
    level = f"{100 * each.level:.3g} %"
    span = f"{low} to {high}" if each.low is not None else "no interval"
    return {
        "number": run.number,
        "run": run.name,
        "arms": f"{primary.arm} against {primary.against}",
        "where": f"{run.words.protocol(primary.protocol).words}, {run.words.budget.of(each.budget)}",
        "difference": difference(each.mean, metric),
        "strip": whisker(
            mean, start, end, reach, COLOURS.get(each.verdict, UNDECIDED), f"Difference {difference(each.mean, metric)}; {span}"
        ),
        "interval": span,
        "level": f"{level} interval" if each.low is not None else "too few draws or scored groups",
        "p": p_value(each.p),
        "alpha": f"tested at {each.alpha:.3g}",
        "verdict": each.verdict,
        "outcome": {"better": "win", "worse": "loss"}.get(each.verdict, ""),
        "reason": each.reason,
    }


def curves_section(runs: Sequence[ComparedRun]) -> Section:
    """Score against labels, all runs of one question on one chart a protocol."""
    groups = []
    for place, question in enumerate(_questions(runs)):
        those = [run for run in runs if run.question == question]
        rows, envelope = merged_rows(those)
        drawn = styles(list(dict.fromkeys(row["arm"] for row in rows)))
        first = those[0].comparison
        learnt = any(row["x"] for row in rows)  # from labels; else there is no curve, and the table says it all
        lines = charts(rows, envelope, {"protocol": first.protocol if first else ""}, drawn, those[0].words, None) if learnt else []
        keyed = [replace(chart, key=f"{place}-{chart.key}") for chart in lines]
        keys = {arm: swatch(style) for arm, style in drawn.items()}
        tables = score_tables(rows, list(drawn), {}, those[0].words)
        groups.append({"title": _title(those[0]), "charts": keyed, "keys": list(keys.items()), "swatches": keys, "tables": tables})
    if not groups:
        return Section("compared", "Curves", absent="No run was scored, so there is no curve of score against labels.")
    every: list[Chart] = [chart for group in groups for chart in group["charts"]]  # type: ignore[misc]
    return Section(
        "compared",
        "How many labels it takes",
        {"groups": groups, "charts": every},
        lead="A number behind an arm is its run; an arm without one is the same in all of them. Bars: 95 % intervals, not Holm's.",
    )


def merged_rows(runs: Sequence[ComparedRun]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of the runs' tables under names that tell the runs apart, and their envelope where it is one for all.

    An arm that has the same scores in every run, as one that is not pretrained has, is drawn once.
    """
    tables = [[asdict(row) for row in run.claims.table] if run.claims is not None else [] for run in runs]
    arms = list(dict.fromkeys(row["arm"] for table in tables for row in table))
    rows: list[dict[str, Any]] = []
    for arm in arms:
        curves = [{(row["protocol"], row["budget"]): row for row in table if row["arm"] == arm} for table in tables]
        if _one_curve([curve for curve in curves if curve]):
            once: dict[tuple[str, str], dict[str, Any]] = {}
            for curve in curves:
                once = {**curve, **once}
            rows += once.values()
        else:
            rows += [row | {"arm": run.named(arm)} for run, curve in zip(runs, curves, strict=True) for row in curve.values()]
    envelopes = [run.claims.envelope if run.claims is not None else [] for run in runs]
    return rows, envelopes[0] if all(envelope == envelopes[0] for envelope in envelopes) else []


def _one_curve(curves: Sequence[Mapping[tuple[str, str], Mapping[str, Any]]]) -> bool:
    """Whether curves agree wherever two of them have a point, and have one in common with the first."""
    first, *others = curves
    if not all(first.keys() & other.keys() for other in others):
        return False
    return all(first[at]["mean"] == other[at]["mean"] for other in others for at in first.keys() & other.keys())


def across_section(pairs: Sequence[Across], apart: Sequence[str]) -> Section:
    """Primary arms of different runs against each other."""
    if not pairs:
        why = " ".join(apart) or "No two runs stand in one question (data set, split, task and metric)."
        return Section("across", "Run against run", absent=why)
    lines = [_across_line(each) for each in pairs]
    return Section(
        "across",
        "Run against run",
        {"lines": lines, "apart": apart},
        lead="The primary arms of two runs on the same scored rows, draws and budgets. Exploratory: no recipe named these before it ran, "
        "no level is corrected for them, and runs may differ in more than their arm (input sizes, time, backbone).",
    )


def _across_line(each: Across) -> dict[str, Any]:
    comparison, words = each.comparison, each.first.words
    metric = words.metric(comparison.metric)
    return {
        "arms": f"{comparison.arm} against {comparison.against}",
        "where": f"{words.protocol(comparison.protocol).words}, {words.budget.of(comparison.budget)}",
        "metric": metric.words,
        "difference": in_unit(difference(comparison.mean, metric), metric.of_differences),
        "interval": _span(comparison, metric),
        "p": "" if comparison.undertrained else p_value(comparison.p),
        "draws": count(each.draws, "draw"),
        "remark": "a solver did not converge" if comparison.undertrained else "",
    }


def _span(comparison: Comparison, metric: MetricWords) -> str:
    if comparison.low is None or comparison.high is None:
        return "no interval"
    return f"{difference(comparison.low, metric)} to {difference(comparison.high, metric)}"


def runs_section(runs: Sequence[ComparedRun], notes: Sequence[str]) -> Section:
    """The runs by number, and what must be known of them."""
    lines = [
        {
            "number": run.number,
            "name": run.name,
            "dataset": run.dataset or "\u2013",
            "split": run.split or "\u2013",
            "task": run.words.name,
            "primary": f"{run.primary.arm} against {run.primary.against}, {run.words.protocol(run.primary.protocol).words}, "
            f"{run.words.budget.of(run.primary.budget)}, {run.metric.words}",
            "notes": [run.reason[:1].upper() + run.reason[1:], *run.notes] if run.reason else list(run.notes),
        }
        for run in runs
    ]
    return Section("runs", "The runs", {"lines": lines, "notes": notes})


def levels_section() -> Section:
    return Section("levels", "How it was computed", {"sentences": METHOD})


def deck(tested: Sequence[Tested]) -> str:
    """What was compared, in a sentence or two."""
    runs = [each.run for each in tested]
    data = list(dict.fromkeys(run.dataset for run in runs if run.dataset))
    claimed = [f"#{each.run.number}" for each in tested if each.claimed]
    said = f"Claimed: {listed(claimed)}." if claimed else "Nothing is claimed."
    return f"{count(len(runs), 'run')}{f' on {listed(data)}' if data else ''}, their primaries tested as one family. {said}"


def _questions(runs: Sequence[ComparedRun]) -> list[tuple[str, str, str, str]]:
    return list(dict.fromkeys(run.question for run in runs if run.scores is not None))


def _title(run: ComparedRun) -> str:
    return f"{run.dataset} ({run.split}), {run.words.name}: {run.metric.heading}"
