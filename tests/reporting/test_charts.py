"""Charts: one description, drawn twice; labels never cover one another; ticks lie on the axis."""

from __future__ import annotations

from itertools import pairwise
from math import log10
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelfree.reporting.charts import OTHERS, STYLES, Chart, Series, Style, spaced, styles
from labelfree.reporting.files import Curve
from labelfree.reporting.plotly_figures import figure
from labelfree.reporting.sections.efficiency import charts
from labelfree.reporting.sections.health import MOST, thinned
from labelfree.reporting.svg_figures import axis_ticks, svg
from labelfree.reporting.words import difference, p_value, score
from labelfree.transfer.tasks import find_task
from labelfree.transfer.words import BudgetWords, MetricWords, TaskWords
from tests.reporting.made import ARMS, claims

WORDS = find_task("classification").words


@given(st.lists(st.floats(0, 300), min_size=1, max_size=12), st.floats(1, 20))
def test_labels_keep_their_distance_and_their_order(wanted: list[float], gap: float) -> None:
    placed = spaced(wanted, gap, 0, 300)
    ranked = [placed[i] for i in sorted(range(len(wanted)), key=lambda i: wanted[i])]
    assert all(b - a > gap - 1e-6 for a, b in pairwise(ranked))
    assert min(placed) >= -1e-6 and max(placed) <= 300 + 1e-6


@given(st.lists(st.floats(0, 300), min_size=1, max_size=6, unique=True))
def test_labels_with_room_stay_where_they_belong(wanted: list[float]) -> None:
    nearest = min((b - a for a, b in pairwise(sorted(wanted))), default=300.0)
    assert spaced(wanted, nearest / 2, 0, 300) == pytest.approx(wanted)


@given(st.floats(-1e4, 1e4), st.floats(1e-3, 1e4))
def test_ticks_are_few_and_on_the_axis(low: float, length: float) -> None:
    ticks = axis_ticks(low, low + length)
    assert 1 <= len(ticks) <= 7
    assert all(low - 1e-6 * length <= tick <= low + length * (1 + 1e-6) for tick in ticks)


def test_log_ticks_are_numbers_on_the_drawn_scale() -> None:
    assert axis_ticks(log10(0.8), log10(60), log=True) == [1, 2, 5, 10, 20, 50]


def test_both_drawings_come_from_the_same_numbers() -> None:
    made = claims()
    for chart in charts(made["table"], made["envelope"], made["primary"], styles(ARMS), WORDS, made["labels_saved"]):
        drawn = figure(chart)
        assert [trace["y"] for trace in drawn["data"]] == [list(line.y) for line in chart.series]
        assert all(trace["error_y"]["array"][0] == pytest.approx(5.5) for trace in drawn["data"][:4])
        still = ElementTree.fromstring(str(svg(chart)))
        markers = [element for element in still.iter() if element.tag in ("circle", "rect")]
        assert len(markers) == 10  # five budgets of each of the two arms drawn with circles and squares


def test_the_arrow_of_labels_saved_joins_the_two_curves() -> None:
    made = claims()
    first, second = charts(made["table"], made["envelope"], made["primary"], styles(ARMS), WORDS, made["labels_saved"])
    assert first.bridge is not None and second.bridge is None
    assert (first.bridge.start, first.bridge.end, first.bridge.y) == (5.0, pytest.approx(24.5), pytest.approx(78.5))


def test_names_in_a_chart_are_escaped() -> None:
    chart = Chart("k", "<b>", "alt & <more>", [Series("<i>", [1.0], [2.0], Style("#000000"))], labels=True)
    assert ElementTree.fromstring(str(svg(chart))).get("aria-label") == "alt & <more>"


def test_no_two_arms_look_alike_in_gray() -> None:
    drawn = [*STYLES.values(), *OTHERS]
    assert len({colour for colour, _, _ in drawn}) == len(drawn)
    assert len({(dash, marker) for _, dash, marker in drawn}) == len(drawn)
    assert len(set(styles(["imagenet", "mine", "yours"]).values())) == 3


def test_long_curves_are_thinned_to_means_and_keep_their_end() -> None:
    steps = [float(i) for i in range(10_000)]
    short, values = thinned(Curve("a", "0", "loss", steps, steps))
    assert len(short) <= MOST and short[-1] == values[-1] == 9999
    assert short == values  # a mean of steps belongs to a mean of values


@pytest.mark.parametrize(("value", "said"), [(0.112, "+11.2"), (-0.03, "−3.0"), (-0.0001, "0.0"), (None, "–"), (float("nan"), "–")])
def test_points(value: float | None, said: str) -> None:
    assert difference(value, WORDS.metric("accuracy")) == said


@pytest.mark.parametrize(("p", "said"), [(0.0004, "p < 0.001"), (0.0137, "p = 0.014"), (0.41, "p = 0.41"), (None, "")])
def test_p_values(p: float | None, said: str) -> None:
    assert p_value(p) == said


def test_intervals_beyond_what_a_score_can_be_are_cut_off() -> None:
    """Two folds give intervals of hundreds of points."""
    row = {"arm": "imagenet", "protocol": "knn", "budget": 1, "x": 1, "low": -1.2, "mean": 0.6, "high": 2.4}
    (chart,) = charts([row], [], {"arm": "imagenet", "protocol": "knn"}, styles(["imagenet"]), WORDS, None)
    assert chart.series[0].low == [0.0] and chart.series[0].high == [100.0] and chart.y_range == (0.0, 101.5)


METRES = TaskWords("height", BudgetWords("labelled image", "labelled images"), {"mae": MetricWords("error", "m", higher_is_better=False)})


@pytest.mark.parametrize(("value", "shown"), [(0.3125, "0.312"), (12.34, "12.3"), (1234.5, "1234"), (0.0, "0.0"), (None, "\u2013")])
def test_numbers_of_a_unit_keep_three_figures(value: float | None, shown: str) -> None:
    assert score(value, METRES.metric("mae")) == shown


def test_of_a_metric_that_should_be_low_the_lowest_arm_is_named() -> None:
    rows = [
        {"arm": arm, "protocol": "knn", "budget": "6", "x": 6, "metric": "mae", "mean": mean, "low": mean - 0.2, "high": mean + 0.2}
        for arm, mean in (("imagenet", 2.5), ("domain", 1.5))
    ]
    (chart,) = charts(rows, [], {"arm": "domain", "protocol": "knn"}, styles(["imagenet", "domain"]), METRES, None)
    assert chart.alt.startswith("error against labelled images, knn: of 2 arms domain is lowest.")
    assert (chart.x_title, chart.y_title) == ("labelled images (log scale)", "error, m")
    assert chart.series[1].y == [1.5] and chart.y_limits()[1] < 3, "metres, not hundredths"
