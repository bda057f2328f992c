"""Charts as plotly figures (JSON), for hovering and zooming once the page's script has started."""

from __future__ import annotations

import json
from math import log10
from typing import Any

from labelfree.reporting.charts import FAINT, GRID, INK, Chart, Series

FONT = "Inter, 'Helvetica Neue', Helvetica, Arial, sans-serif"


def figure(chart: Chart) -> dict[str, Any]:
    """The chart as plotly's `data` and `layout`, checked by plotly itself; draws like `svg_figures.svg` does."""
    from plotly import graph_objects as go

    axis = {"showgrid": False, "zeroline": False, "linecolor": FAINT, "tickfont": {"color": FAINT}, "fixedrange": True}
    x_axis = {
        **axis,
        "title": {"text": chart.x_title, "standoff": 8},
        "range": list(chart.x_range()),
        "ticks": "outside",
        "ticklen": 4,
        "showline": True,
    }
    if chart.log_x:
        x_axis["type"] = "log"
    y_axis = {**axis, "showgrid": True, "gridcolor": GRID, "range": list(chart.y_limits())}
    if chart.log_y:
        y_axis["type"] = "log"
    for drawn_axis, ticks in ((x_axis, chart.x_ticks()), (y_axis, chart.y_ticks())):
        drawn_axis |= {"tickmode": "array", "tickvals": [value for value, _ in ticks], "ticktext": [text for _, text in ticks]}
    left, right, top, bottom = chart.margins
    drawn = go.Figure(
        data=[_trace(line, chart) for line in chart.series],
        layout={
            "template": None,
            "font": {"family": FONT, "size": 12, "color": INK},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "margin": {"l": left, "r": right, "t": top, "b": bottom},
            "height": chart.height,
            "showlegend": False,
            "hovermode": "closest",
            "hoverlabel": {"bgcolor": "#fff", "bordercolor": "#c9d0d8", "font": {"family": FONT, "color": INK}},
            "xaxis": x_axis,
            "yaxis": y_axis,
            "annotations": [*_bridge(chart), *_labels(chart)],
        },
    )
    plain: dict[str, Any] = json.loads(str(drawn.to_json()))
    return plain


def _trace(line: Series, chart: Chart) -> dict[str, Any]:
    trace: dict[str, Any] = {
        "type": "scatter",
        "mode": "lines+markers" if line.points else "lines",
        "name": line.name,
        "x": list(line.x),
        "y": list(line.y),
        "line": {"color": line.style.colour, "width": line.width, "dash": ",".join(f"{px}px" for px in line.style.pattern) or "solid"},
        "marker": {"symbol": line.style.marker, "size": 8, "color": line.style.colour},
        "hovertemplate": f"<b>%{{fullData.name}}</b><br>%{{x:,.4~g}}: %{{y:.{chart.digits}f}}<extra></extra>",
    }
    if line.low and line.high:
        trace["error_y"] = {
            "type": "data",
            "symmetric": False,
            "array": [0 if high is None else high - y for y, high in zip(line.y, line.high, strict=True)],
            "arrayminus": [0 if low is None else y - low for y, low in zip(line.y, line.low, strict=True)],
            "thickness": 1.3,
            "width": 0,
            "color": line.style.colour,
        }
        spans = [
            "" if low is None or high is None else f"<br>95 % interval {low:.{chart.digits}f} to {high:.{chart.digits}f}"
            for low, high in zip(line.low, line.high, strict=True)
        ]
        trace["customdata"] = spans
        trace["hovertemplate"] = f"<b>%{{fullData.name}}</b><br>%{{x:,.4~g}}: %{{y:.{chart.digits}f}}%{{customdata}}<extra></extra>"
    return trace


def _bridge(chart: Chart) -> list[dict[str, Any]]:
    """The level arrow; it stays on a narrow screen, where the labels at the ends of lines go."""
    if chart.bridge is None:
        return []
    start, end = (log10(x) if chart.log_x else x for x in (chart.bridge.start, chart.bridge.end))
    arrow = {
        "x": end,
        "y": chart.bridge.y,
        "ax": start,
        "ay": chart.bridge.y,
        "xref": "x",
        "yref": "y",
        "axref": "x",
        "ayref": "y",
        "text": "",
    }
    return [
        arrow | {"arrowhead": 2, "arrowwidth": 1.5, "arrowcolor": INK, "standoff": 3, "startstandoff": 7, "hovertext": chart.bridge.text}
    ]


def _labels(chart: Chart) -> list[dict[str, Any]]:
    """Names at the ends of their lines."""
    _, _, top, bottom = chart.margins
    inside = chart.height - top - bottom
    return [
        {
            "xref": "paper",
            "yref": "paper",
            "x": 1,
            "y": 1 - (y - top) / inside,
            "xanchor": "left",
            "yanchor": "middle",
            "xshift": 6,
            "showarrow": False,
            "text": f"<b>{line.name}</b>" if line.strong else line.name,
            "font": {"color": line.style.colour, "size": 12},
        }
        for line, y in chart.end_labels()
    ]
