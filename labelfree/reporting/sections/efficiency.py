"""Label-efficiency curves: score against labels, one panel a protocol, every arm with its intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from labelfree.data.budgets import NO_LABELS
from labelfree.reporting.charts import Bridge, Chart, Series, Style
from labelfree.reporting.sections.base import Context, Section
from labelfree.reporting.svg_figures import swatch
from labelfree.transfer.words import SHARE, MetricWords, TaskWords

NUDGE = 1.035  # arms are drawn side by side by this factor, so that their intervals do not cover one another


def build(context: Context) -> Section:
    claims = context.run.claims
    rows = claims.get("table") or []
    if not rows:
        return Section("curves", "How many labels it takes", absent="No arm was scored, so there is no curve of score against labels.")
    if not any(row.get("mean") is not None for row in rows):
        return Section("curves", "How many labels it takes", absent=str(claims.get("headline", "")))
    if not any(row["x"] for row in rows):
        return Section("curves", "How many labels it takes", absent="None: nothing here is learnt from labels.")
    return Section(
        "curves",
        "How many labels it takes",
        {
            "charts": charts(
                rows,
                claims.get("envelope") or [],
                claims.get("primary") or {},
                context.styles,
                context.run.words,
                None if context.run.generated or (claims.get("primary") or {}).get("verdict") == "no claim" else claims.get("labels_saved"),
            ),
            "keys": [(arm, swatch(style)) for arm, style in context.styles.items() if any(row["arm"] == arm for row in rows)],
        },
        lead="Further left: fewer labels for the same score. Bars: 95 % intervals. Dashed: ImageNet at its best input size in hindsight."
        + (" Level and dotted: no label is learnt from." if any(str(row["budget"]) == str(NO_LABELS) for row in rows) else ""),
    )


def charts(
    rows: Sequence[Mapping[str, Any]],
    envelope: Sequence[Mapping[str, Any]],
    primary: Mapping[str, Any],
    styles: Mapping[str, Style],
    words: TaskWords,
    saved: Mapping[str, Any] | None,
) -> list[Chart]:
    """One chart a protocol, all with the same vertical axis so that panels compare. The primary's, first, shows the labels saved. What
    learns from no label is a level line in every panel.
    """
    levels = [row for row in rows if str(row["budget"]) == str(NO_LABELS) and row.get("mean") is not None]
    curves = [row for row in rows if str(row["budget"]) != str(NO_LABELS)]
    protocols = sorted(dict.fromkeys(row["protocol"] for row in curves), key=lambda name: name != primary.get("protocol"))
    metric = words.metric(str(rows[0].get("metric", "score")))
    values = [value for row in rows for value in (row.get("low"), row.get("mean"), row.get("high"))]
    values += [row["mean"] for row in envelope if row.get("mean") is not None]
    heights = [height for value in values if (height := _height(value, metric)) is not None]
    low, high = (min(heights), max(heights)) if heights else (0.0, 100.0)
    room = 0.05 * (high - low) or 2.0
    limits = (max(low - room, 0.0), min(high + room, 101.5)) if metric.unit == SHARE else (low - room, high + room)
    of_each = {name: [row for row in curves if row["protocol"] == name] for name in protocols}
    drawn = [_chart(name, of_each[name], levels, envelope, primary, styles, words, limits) for name in protocols]
    arrow = bridge(rows, primary, saved, words)
    return [replace(drawn[0], bridge=arrow, note=arrow.text), *drawn[1:]] if arrow and drawn else drawn


def bridge(
    rows: Sequence[Mapping[str, Any]], primary: Mapping[str, Any], saved: Mapping[str, Any] | None, words: TaskWords
) -> Bridge | None:
    """The labels saved as a level arrow from the arm's point to where the other curve gets as high; only where it does."""
    at = next((row for row in rows if all(str(row[key]) == str(primary.get(key)) for key in ("arm", "protocol", "budget"))), None)
    ratio = (saved or {}).get("ratio")
    if at is None or ratio is None or ratio < 1.25:  # a shorter arrow would hide under the markers
        return None
    needed = f"{float(at['x']) * ratio:,.0f} {words.budget.per}".rstrip()
    arm, against = primary["arm"], primary["against"]
    text = f"Arrow: {against} needs {saved_words(saved)} the labels, about {needed}, to score as {arm} does with {at['x']:g}."
    return Bridge(float(at["x"]), float(at["x"]) * ratio, words.metric(str(at.get("metric", "score"))).scale * float(at["mean"]), text)


def saved_words(saved: Mapping[str, Any] | None) -> str:
    """The ratio as it is printed."""
    return str(((saved or {}).get("words") or {}).get("ratio", ""))


def _chart(
    name: str,
    rows: Sequence[Mapping[str, Any]],
    levels: Sequence[Mapping[str, Any]],
    envelope: Sequence[Mapping[str, Any]],
    primary: Mapping[str, Any],
    styles: Mapping[str, Style],
    words: TaskWords,
    limits: tuple[float, float],
) -> Chart:
    metric, title = words.metric(str(rows[0].get("metric", "score"))), words.protocol(name).heading
    arms = [arm for arm in styles if any(row["arm"] == arm for row in rows)]
    pair = {primary.get("arm"), primary.get("against")}
    lines = []
    for place, arm in enumerate(arms):
        points = sorted((row for row in rows if row["arm"] == arm and row.get("mean") is not None), key=lambda row: float(row["x"]))
        nudge = NUDGE ** (place - (len(arms) - 1) / 2)
        lines.append(
            Series(
                arm,
                [float(row["x"]) * nudge for row in points],
                [metric.scale * float(row["mean"]) for row in points],
                styles[arm],
                [_height(row.get("low"), metric) for row in points],
                [_height(row.get("high"), metric) for row in points],
                strong=arm in pair,
            )
        )
    where = {str(row["budget"]): float(row["x"]) for row in rows}
    best = sorted((float(row["x"]), metric.scale * float(row["mean"])) for row in envelope if row["protocol"] == name)
    if best:
        blue = styles.get("imagenet", Style("#0b5fa5"))
        lines.append(Series("imagenet, best size", [x for x, _ in best], [y for _, y in best], Style(blue.colour, "dash"), points=False))
    ticks = sorted({(x, tick(name, x)) for name, x in where.items()})
    reached = {line.name: (max if metric.higher_is_better else min)(line.y) for line in lines if line.y}
    first = (max if metric.higher_is_better else min)(reached, key=lambda arm: reached[arm], default="none")
    extreme = "highest" if metric.higher_is_better else "lowest"
    ends = [min(where.values()), max(where.values())]
    for row in levels:
        if row["arm"] in styles:
            height, style = metric.scale * float(row["mean"]), Style(styles[row["arm"]].colour, "dot")
            lines.append(Series(f"{row['arm']}, {words.protocol(row['protocol']).words}", ends, [height] * 2, style, points=False))
    return Chart(
        key=f"curve-{name}",
        title=title.capitalize(),
        alt=f"{metric.heading} against {words.budget.many}, {title}: of {len(arms)} arms {first} is {extreme}. Values: see the table.",
        series=lines,
        x_title=f"{words.budget.many} (log scale)",
        y_title=f"{metric.heading}, {metric.of_scores}" if metric.of_scores else metric.heading,
        log_x=True,
        ticks=ticks,
        y_range=limits,
        height=380,
        width=560,
        labels=True,
    )


def tick(name: str, x: float) -> str:
    """5, or all (54) where the budget is every label."""
    return f"all ({x:,.0f})" if name == "all" else f"{x:g}"


def _height(value: float | None, metric: MetricWords) -> float | None:
    """As it is drawn; of shares an interval of few folds that reaches beyond what a score can be is cut off there."""
    if value is None:
        return None
    height = metric.scale * float(value)
    return min(max(height, 0.0), 100.0) if metric.unit == SHARE else height
