"""Charts as inline SVG: what a reader sees before, or without, any script, and on paper."""

from __future__ import annotations

from math import log10

from markupsafe import Markup, escape

from labelfree.reporting.charts import FAINT, GRID, INK, Chart, Series, Style, axis_ticks, tick_text


def svg(chart: Chart) -> Markup:
    """The chart as one `<svg>` element, `chart.width` x `chart.height` user units, scaling with its box."""
    left, right, _, bottom = map(float, chart.margins)
    x_low, x_high = chart.x_range()

    def across(x: float) -> float:
        return left + (chart.width - left - right) * ((log10(x) if chart.log_x else x) - x_low) / (x_high - x_low)

    up = chart.height_of
    parts = [f'<svg viewBox="0 0 {chart.width} {chart.height}" role="img" aria-label="{escape(chart.alt)}" class="still" font-size="12">']
    for value, text in chart.y_ticks():
        y = up(value)
        parts.append(f'<path d="M{left} {y:.1f}H{chart.width - right}" stroke="{GRID}"/>')
        parts.append(f'<text x="{left - 7}" y="{y + 4:.1f}" text-anchor="end" fill="{FAINT}">{text}</text>')
    for value, text in chart.x_ticks():
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
    for line, y in chart.end_labels():
        weight = ' font-weight="600"' if line.strong else ""
        parts.append(f'<text x="{chart.width - right + 8}" y="{y + 4:.1f}" fill="{line.style.colour}"{weight}>{escape(line.name)}</text>')
    return Markup("".join(parts) + "</svg>")


def _line(line: Series, across: object, up: object) -> str:
    place = [(across(x), up(y)) for x, y in zip(line.x, line.y, strict=True)]  # type: ignore[operator]
    colour, dash = line.style.colour, " ".join(map(str, line.style.pattern))
    drawn = []
    for x, low, high in zip(line.x, line.low, line.high, strict=False):
        if low is not None and high is not None:
            drawn.append(f'<path d="M{across(x):.1f} {up(low):.1f}V{up(high):.1f}" stroke="{colour}" stroke-width="1.3" opacity="0.55"/>')  # type: ignore[operator]
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in place) if place else ""
    drawn.append(
        f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="{line.width}"'
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
    dash = f' stroke-dasharray="{" ".join(map(str, style.pattern))}"' if style.pattern else ""
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


def whisker(mean: float | None, low: float | None, high: float | None, reach: float, colour: str, alt: str) -> Markup:
    """A difference with its interval in the line of a table, on an axis from -`reach` to `reach` that its lines share."""
    width, height = 180, 22
    half, middle = width / 2, height / 2

    def across(value: float) -> float:
        return half + (half - 7) * value / reach

    parts = [
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" class="whisker" role="img" aria-label="{escape(alt)}">'
    ]
    parts.append(f'<path d="M{half} 0V{height}" stroke="{INK}"/>')
    if low is not None and high is not None:
        parts.append(f'<path d="M{across(low):.1f} {middle}H{across(high):.1f}" stroke="{colour}" stroke-width="2.5"/>')
    if mean is not None:
        parts.append(f'<circle cx="{across(mean):.1f}" cy="{middle}" r="5" fill="{colour}" stroke="#fff" stroke-width="1.5"/>')
    return Markup("".join(parts) + "</svg>")
