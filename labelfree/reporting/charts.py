"""A chart as data: drawn once as still SVG (no script, print) and once as a plotly figure, from the same description."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log10

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
OTHERS = (("#a83267", "dash", "diamond"), ("#3f6212", "dash", "circle"), ("#4338ca", "dash", "square"), ("#78350f", "dot", "triangle-up"))


@dataclass(frozen=True)
class Style:
    """How one arm is drawn everywhere in a report."""

    colour: str
    dash: str = "solid"
    marker: str = "circle"


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
