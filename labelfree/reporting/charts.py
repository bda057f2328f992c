"""A chart as data: what is drawn and where is decided here; as still SVG (no script, print) and as a plotly figure it is only put down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

# Hue, dash and marker all differ, so that arms are told apart in grey print and by colour-blind readers (hues after Okabe and Ito).
STYLES: dict[str, tuple[str, str, str]] = {
    "imagenet+domain": ("#c2410c", "solid", "circle"),
    "imagenet": ("#0b5fa5", "solid", "square"),
    "domain": ("#7c3aa0", "solid", "diamond"),
    "imagenet+statistics": ("#0f766e", "dash", "triangle-up"),
    "imagenet-inflated": ("#3d8fd1", "dash", "triangle-down"),
    "random": ("#5f6b7a", "dot", "x"),
    "statistics": ("#9a6b0b", "dot", "triangle-down"),
}
OTHERS = (
    ("#a83267", "dash", "diamond"),
    ("#3f6212", "dash", "circle"),
    ("#4338ca", "dash", "square"),
    ("#78350f", "dot", "triangle-up"),
    ("#0369a1", "solid", "triangle-down"),
    ("#be123c", "dot", "circle"),
    ("#047857", "solid", "triangle-up"),
    ("#86198f", "dot", "square"),
)

INK, FAINT, GRID = "#1f2933", "#5b6673", "#e4e7eb"
DASHES = {"solid": (), "dash": (7, 4), "dot": (2, 3)}  # pixels drawn and left out
LABEL_GAP = 15  # pixels between names at the ends of lines


@dataclass(frozen=True)
class Style:
    """How one arm is drawn everywhere in a report."""

    colour: str
    dash: str = "solid"
    marker: str = "circle"

    @property
    def pattern(self) -> tuple[int, ...]:
        """Pixels drawn and left out in turn; none for a whole line."""
        return DASHES.get(self.dash, ())


def styles(arms: Sequence[str]) -> dict[str, Style]:
    """One style an arm, known names always the same, the rest in order."""
    rest = [arm for arm in arms if arm not in STYLES]
    return {arm: Style(*STYLES.get(arm, OTHERS[rest.index(arm) % len(OTHERS)] if arm in rest else OTHERS[0])) for arm in arms}


@dataclass(frozen=True)
class Series:
    """A line. `low` and `high`, where given, are the ends of an interval at each x (None: not known there)."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    style: Style
    low: Sequence[float | None] = ()
    high: Sequence[float | None] = ()
    points: bool = True
    strong: bool = False
    labelled: bool = True

    @property
    def width(self) -> float:
        return 2.4 if self.strong else 1.6


@dataclass(frozen=True)
class Bridge:
    """A level arrow from one curve to another at the same height, with what it means: the labels saved."""

    start: float
    end: float
    y: float
    text: str


@dataclass(frozen=True)
class Chart:
    """Axes and lines. `ticks`: (x, text) pairs where x is not evenly read, such as budgets on a log axis."""

    key: str
    title: str
    alt: str
    series: Sequence[Series]
    x_title: str = ""
    y_title: str = ""
    log_x: bool = False
    log_y: bool = False
    ticks: Sequence[tuple[float, str]] = ()
    y_range: tuple[float, float] | None = None
    height: int = 340
    width: int = 520
    labels: bool = False
    digits: int = 1
    note: str = ""
    bridge: Bridge | None = None

    @property
    def margins(self) -> tuple[int, int, int, int]:
        """Pixels left, right (with room for names), above and below the axes."""
        return 46, (132 if self.labels else 14), 12, 44

    def x_ticks(self) -> list[tuple[float, str]]:
        """Where the horizontal axis is marked, and by what."""
        return list(self.ticks) or [(value, tick_text(value)) for value in axis_ticks(*self.x_range(), self.log_x, 5)]

    def y_ticks(self) -> list[tuple[float, str]]:
        return [(value, tick_text(value)) for value in axis_ticks(*self.y_limits(), self.log_y)]

    def height_of(self, y: float) -> float:
        """Pixels of a value below the upper edge of the chart."""
        low, high = self.y_limits()
        _, _, top, bottom = self.margins
        drawn = log10(max(y, 1e-12)) if self.log_y else y
        return self.height - bottom - (self.height - top - bottom) * (drawn - low) / (high - low)

    def end_labels(self) -> list[tuple[Series, float]]:
        """The lines whose names stand at their ends, and how many pixels below the upper edge, so that none covers another."""
        named = [line for line in self.series if line.labelled and line.y] if self.labels else []
        _, _, top, bottom = self.margins
        return list(
            zip(named, spaced([self.height_of(line.y[-1]) for line in named], LABEL_GAP, top + 6, self.height - bottom - 4), strict=True)
        )

    def x_range(self) -> tuple[float, float]:
        """Limits of x on the drawn scale (log10 where `log_x`), with a little room."""
        drawn = [log10(x) if self.log_x else x for line in self.series for x in line.x]
        low, high = (min(drawn), max(drawn)) if drawn else (0.0, 1.0)
        room = 0.05 * (high - low) or 0.2
        return low - room, high + room

    def y_limits(self) -> tuple[float, float]:
        """Limits of y on the drawn scale."""
        if self.y_range:
            return self.y_range
        seen = [value for line in self.series for value in [*line.y, *line.low, *line.high] if value is not None]
        seen = [log10(value) if self.log_y else value for value in seen if not self.log_y or value > 0]
        low, high = (min(seen), max(seen)) if seen else (0.0, 1.0)
        room = 0.08 * (high - low) or max(0.1 * abs(high), 1e-3)
        return low - room, high + room


def spaced(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions nearest to `wanted` that keep `gap` between neighbours and stay within [low, high] where they fit.

    Merges touching labels into blocks centred on their mean wish: the one-dimensional label placement of a line chart.
    """
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    blocks: list[list[int]] = []
    places: list[float] = []  # centre of each block

    def centre(members: list[int]) -> float:
        half = gap * (len(members) - 1) / 2
        return min(max(sum(wanted[i] for i in members) / len(members), low + half), high - half)

    for i in order:
        blocks.append([i])
        places.append(centre([i]))
        while len(blocks) > 1 and places[-1] - places[-2] < gap * (len(blocks[-1]) + len(blocks[-2])) / 2 - 1e-9:
            blocks[-2:] = [blocks[-2] + blocks[-1]]
            places[-2:] = [centre(blocks[-1])]
    placed = [0.0] * len(wanted)
    for members, middle in zip(blocks, places, strict=True):
        for rank, i in enumerate(members):
            placed[i] = middle + gap * (rank - (len(members) - 1) / 2)
    return placed


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
