import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.isotonic import IsotonicRegression

from labelfree.transfer.claims.labels_saved import ABOVE, BELOW, LabelsSaved, bounds, isotonic, labels_saved

X = np.array([1.0, 10.0, 100.0])


def saved(arm: list[float], against: list[float], at: int) -> float:
    return float(labels_saved(X, np.array([arm]), np.array([against]), at)[0])


def test_halfway_between_two_budgets_on_a_log_axis() -> None:
    assert saved([0.5, 0.7, 0.9], [0.4, 0.6, 0.8], at=1) == pytest.approx(10**1.5 / 10)


def test_a_budget_reached_exactly() -> None:
    assert saved([0.5, 0.8, 0.9], [0.4, 0.6, 0.8], at=1) == pytest.approx(10)


def test_a_worse_arm_has_a_ratio_below_one() -> None:
    assert saved([0.1, 0.5, 0.6], [0.4, 0.6, 0.8], at=1) == pytest.approx(10**0.5 / 10)


def test_never_extrapolated() -> None:
    assert saved([0.5, 0.9, 0.9], [0.4, 0.6, 0.8], at=1) == ABOVE
    assert saved([0.1, 0.4, 0.9], [0.4, 0.6, 0.8], at=1) == BELOW
    assert saved([0.1, 0.3, 0.9], [0.4, 0.6, 0.8], at=1) == BELOW


def test_the_fewest_labels_count_where_the_other_curve_is_flat() -> None:
    assert saved([0.5, 0.6, 0.9], [0.4, 0.6, 0.6], at=1) == pytest.approx(1)


def test_falling_scores_are_pooled_before_they_are_read() -> None:
    # against (.4, .7, .5) becomes (.4, .6, .6); .6 is first reached at 10
    assert saved([0.5, 0.6, 0.9], [0.4, 0.7, 0.5], at=1) == pytest.approx(1)


@given(arrays(np.float64, (3, 5), elements=st.floats(0, 1)))
def test_isotonic_equals_scikit_learn(scores: np.ndarray) -> None:
    expected = [IsotonicRegression().fit_transform(np.arange(5), row) for row in scores]
    np.testing.assert_allclose(isotonic(scores), expected, atol=1e-12)


def test_bounds_are_order_statistics_and_stay_censored() -> None:
    ratios = np.arange(1.0, 2001.0)
    assert bounds(ratios[::-1]) == (50, 1950)
    ratios[:60], ratios[-60:] = BELOW, ABOVE
    assert bounds(ratios) == (BELOW, ABOVE)


def test_printed_as_a_person_reads_it() -> None:
    assert str(LabelsSaved(at=5, ratio=3.14, low=1.6, high=ABOVE, smallest=0.2, largest=4)) == "3.1× (1.6× to > 4.0×)"
    assert LabelsSaved(5, BELOW, BELOW, 0.5, 0.2, 4).words(BELOW) == "≤ 0.2×"
    assert "no interval" in str(LabelsSaved(5, 2.0, None, None, 0.2, 4))
