"""Charts as inline SVG: what a reader sees before, or without, any script, and on paper."""

from __future__ import annotations

from math import ceil, floor, log10

from markupsafe import Markup, escape

from labelfree.reporting.charts import Chart, Series, Style, spaced

INK, FAINT, GRID = "#1f2933", "#5b6673", "#e4e7eb"
DASHES = {"solid": "", "dash": "7 4", "dot": "2 3"}


def svg(chart: Chart) -> Markup:
    """The chart as one `<svg>` element, `chart.width` x `chart.height` user units, scaling with its box."""
    left, right, top, bottom = 46.0, (132.0 if chart.labels else 14.0), 12.0, 44.0
    x_low, x_high = chart.x_range()
    y_low, y_high = chart.y_limits()

    def across(x: float) -> float:
        return left + (chart.width - left - right) * ((log10(x) if chart.log_x else x) - x_low) / (x_high - x_low)

    def up(y: float) -> float:
        drawn = log10(max(y, 1e-12)) if chart.log_y else y
        return chart.height - bottom - (chart.height - top - bottom) * (drawn - y_low) / (y_high - y_low)

    parts = [f'<svg viewBox="0 0 {chart.width} {chart.height}" role="img" aria-label="{escape(chart.alt)}" class="still" font-size="12">']
    for value in axis_ticks(y_low, y_high, chart.log_y):
        y = up(value)
        parts.append(f'<path d="M{left} {y:.1f}H{chart.width - right}" stroke="{GRID}"/>')
        parts.append(f'<text x="{left - 7}" y="{y + 4:.1f}" text-anchor="end" fill="{FAINT}">{tick_text(value)}</text>')
    for value, text in chart.ticks or [(v, tick_text(v)) for v in axis_ticks(x_low, x_high, chart.log_x, 5)]:
        x = across(value)
        parts.append(f'<path d="M{x:.1f} {chart.height - bottom}v4" stroke="{FAINT}"/>')
        parts.append(f'<text x="{x:.1f}" y="{chart.height - bottom + 17}" text-anchor="middle" fill="{FAINT}">{escape(text)}</text>')
    parts.append(f'<path d="M{left} {chart.height - bottom}H{chart.width - right}" stroke="{FAINT}"/>')
    if chart.x_title:
        middle = left + (chart.width - left - right) / 2
        parts.append(f'<text x="{middle:.1f}" y="{chart.height - 8}" text-anchor="middle" fill="{FAINT}">{escape(chart.x_title)}</text>')
    parts += [_line(line, across, up) for line in chart.series]
    if bridge := chart.bridge:
        a, b, y = across(bridge.start), across(bridge.end), up(bridge.y)
        parts.append(f'<path d="M{a + 7:.1f} {y:.1f}H{b - 3:.1f}m-6 -4l6 4l-6 4" fill="none" stroke="{INK}" stroke-width="1.5"/>')
    if chart.labels:
        named = [line for line in chart.series if line.labelled and line.y]
        places = spaced([up(line.y[-1]) for line in named], 15, top + 6, chart.height - bottom - 4)
        for line, y in zip(named, places, strict=True):
            weight = ' font-weight="600"' if line.strong else ""
            parts.append(
                f'<text x="{chart.width - right + 8}" y="{y + 4:.1f}" fill="{line.style.colour}"{weight}>{escape(line.name)}</text>'
            )
    return Markup("".join(parts) + "</svg>")


def _line(line: Series, across: object, up: object) -> str:
    place = [(across(x), up(y)) for x, y in zip(line.x, line.y, strict=True)]  # type: ignore[operator]
    colour, dash = line.style.colour, DASHES.get(line.style.dash, "")
    drawn = []
    for x, low, high in zip(line.x, line.low, line.high, strict=False):
        if low is not None and high is not None:
            drawn.append(f'<path d="M{across(x):.1f} {up(low):.1f}V{up(high):.1f}" stroke="{colour}" stroke-width="1.3" opacity="0.55"/>')  # type: ignore[operator]
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in place) if place else ""
    drawn.append(
        f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="{2.4 if line.strong else 1.6}"'
        + (f' stroke-dasharray="{dash}"' if dash else "")
        + ' stroke-linejoin="round"/>'
    )
    if line.points:
        drawn += [marker(line.style, x, y) for x, y in place]
    return "".join(drawn)


def marker(style: Style, x: float, y: float, r: float = 4.0) -> str:
    """One marker centred on (x, y)."""
    shapes = {
        "circle": f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r}" fill="{style.colour}"/>',
        "square": f'<rect x="{x - r:.1f}" y="{y - r:.1f}" width="{2 * r}" height="{2 * r}" fill="{style.colour}"/>',
        "diamond": f'<path d="M{x:.1f} {y - r - 1:.1f}l{r + 1} {r + 1}l-{r + 1} {r + 1}l-{r + 1} -{r + 1}z" fill="{style.colour}"/>',
        "triangle-up": f'<path d="M{x:.1f} {y - r - 1:.1f}l{r + 1} {2 * r}h-{2 * r + 2}z" fill="{style.colour}"/>',
        "triangle-down": f'<path d="M{x:.1f} {y + r + 1:.1f}l{r + 1} -{2 * r}h-{2 * r + 2}z" fill="{style.colour}"/>',
        "x": f'<path d="M{x - r:.1f} {y - r:.1f}l{2 * r} {2 * r}m0 -{2 * r}l-{2 * r} {2 * r}" stroke="{style.colour}" stroke-width="2"/>',
    }
    return shapes.get(style.marker, shapes["circle"])


def swatch(style: Style) -> Markup:
    """The key of an arm: a short piece of its line with its marker."""
    dash = f' stroke-dasharray="{DASHES[style.dash]}"' if DASHES.get(style.dash) else ""
    line = f'<path d="M1 7H25" stroke="{style.colour}" stroke-width="2"{dash}/>'
    return Markup(
        f'<svg class="swatch" viewBox="0 0 26 14" width="26" height="14" aria-hidden="true">{line}{marker(style, 13, 7, 3.4)}</svg>'
    )


def strip(
    difference: float,
    low: float | None,
    high: float | None,
    smallest: float | None,
    colour: str,
    alt: str,
    sides: tuple[str, str] = ("", ""),
    least: float = 1.0,
) -> Markup:
    """A difference with its interval on one axis around zero, all in one unit; the band is what the labels cannot resolve.

    `sides`: who is better on the left of zero and on its right. `least`: how far the axis reaches at least.
    """
    width, height, middle, edge = 420, 112, 52, 18  # room for half a label at either end
    reach = max(abs(value) for value in (difference, low, high, smallest, least) if value is not None) * 1.12

    def across(value: float) -> float:
        return edge + (width - 2 * edge) * (value + reach) / (2 * reach)

    parts = [f'<svg viewBox="0 0 {width} {height}" class="strip" role="img" aria-label="{escape(alt)}" font-size="13.5">']
    if smallest is not None:
        parts.append(
            f'<rect x="{across(-smallest):.1f}" y="24" width="{across(smallest) - across(-smallest):.1f}" height="56" fill="#eaedf1"/>'
        )
    for text, x, anchor in ((f"\u2190 {sides[0]} better", edge, "start"), (f"{sides[1]} better \u2192", width - edge, "end")):
        if all(sides):
            parts.append(f'<text x="{x}" y="14" text-anchor="{anchor}" fill="{FAINT}">{escape(text)}</text>')
    parts.append(
        f'<path d="M{edge} 80H{width - edge}" stroke="{FAINT}"/><path d="M{across(0):.1f} 24V80" stroke="{INK}" stroke-width="1.2"/>'
    )
    for value in axis_ticks(-reach, reach, False, 7):
        text = tick_text(value) if value <= 0 else "+" + tick_text(value)
        parts.append(f'<text x="{across(value):.1f}" y="97" text-anchor="middle" fill="{FAINT}">{text}</text>')
    if low is not None and high is not None:
        parts.append(f'<path d="M{across(low):.1f} {middle}H{across(high):.1f}" stroke="{colour}" stroke-width="3"/>')
        parts += [f'<path d="M{across(end):.1f} {middle - 7}v14" stroke="{colour}" stroke-width="2"/>' for end in (low, high)]
    parts.append(f'<circle cx="{across(difference):.1f}" cy="{middle}" r="7" fill="{colour}" stroke="#fff" stroke-width="2"/>')
    return Markup("".join(parts) + "</svg>")


def axis_ticks(low: float, high: float, log: bool = False, wanted: int = 6) -> list[float]:
    """Round values within [low, high]; with `log`, the limits are powers of ten and the values are not."""
    if log:
        powers = [10.0**p for p in range(floor(low), ceil(high) + 1)]
        fine = [value * m for value in powers for m in ((1, 2, 5) if high - low < 2 else (1,))]
        return [value for value in fine if low <= log10(value) <= high]
    step = 10.0 ** floor(log10((high - low) / wanted))
    step *= next(m for m in (1, 2, 5, 10) if (high - low) / (step * m) <= wanted)
    return [round(i * step, 10) for i in range(ceil(low / step), floor(high / step) + 1)]


def tick_text(value: float) -> str:
    """2,000 steps, 0.02, 1e-04."""
    if value and abs(value) < 1e-3:
        return f"{value:.0e}".replace("-", "\u2212")
    return f"{value:,.6g}".replace("-", "\u2212")
