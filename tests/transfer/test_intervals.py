import numpy as np
import pytest
from scipy import stats

from labelfree.transfer.claims.intervals import from_folds, from_test


def test_the_three_variances_by_hand() -> None:
    differences = np.array([[0.1, 0.3], [0.2, 0.6]])  # two draws, two seeds
    resampled = np.array([0.2, 0.3, 0.4])
    interval = from_test(differences, resampled, groups=11)
    draws, seeds, test = 0.02 / 2, 0.045 / 2, 0.01  # var(.2, .4)/2, var(.15, .45)/2, var(.2, .3, .4)
    assert interval.mean == pytest.approx(0.3)
    assert interval.parts == pytest.approx({"draws": draws, "seeds": seeds, "test": test})
    assert interval.se**2 == pytest.approx(draws + seeds + test)
    df = (draws + seeds + test) ** 2 / (draws**2 / 1 + seeds**2 / 1 + test**2 / 10)
    assert interval.df == pytest.approx(df)
    assert interval.high == pytest.approx(0.3 + stats.t.ppf(0.975, df) * interval.se)
    assert interval.p == pytest.approx(2 * (1 - stats.t.cdf(0.3 / interval.se, df)))


def test_one_draw_and_one_seed_leave_the_test_rows_alone() -> None:
    interval = from_test(np.array([[0.1]]), np.array([0.0, 0.2]), groups=5)
    assert set(interval.parts) == {"test"}
    assert interval.df == pytest.approx(4)


def test_nadeau_bengio_by_hand() -> None:
    differences = np.array([0.0, 0.1, 0.2, 0.1])
    interval = from_folds(differences, folds=2)
    assert interval.se**2 == pytest.approx((1 / 4 + 1 / 1) * differences.var(ddof=1))
    assert interval.df == 3
    assert interval.resolvable == pytest.approx((stats.t.ppf(0.975, 3) + stats.t.ppf(0.8, 3)) * interval.se)


def test_a_wider_confidence_gives_a_wider_interval() -> None:
    interval = from_folds(np.array([0.0, 0.1, 0.2, 0.1]), folds=2)
    assert interval.bounds(0.01)[0] < interval.bounds(0.05)[0] < interval.mean < interval.bounds(0.05)[1] < interval.bounds(0.01)[1]


def test_one_scored_group_says_nothing() -> None:
    interval = from_test(np.array([[0.5]]), np.full(10, 0.5), groups=1)
    assert (interval.low, interval.high, interval.p) == (-np.inf, np.inf, 1.0)


def test_equal_arms_that_never_differ_are_no_finding() -> None:
    interval = from_test(np.zeros((5, 1)), np.zeros(100), groups=40)
    assert (interval.low, interval.high, interval.p) == (-np.inf, np.inf, 1.0)  # equal on a few rows is no certainty


def worlds(count: int, truth: float, draws: int, groups: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """D (count, draws, groups): a truth, an effect of each draw, of each group, and noise; then 400 resamplings of the mean."""
    generator = np.random.default_rng(seed)
    effects = truth + 0.05 * generator.normal(size=(count, draws, 1)) + 0.5 * generator.normal(size=(count, 1, groups))
    scores = effects + 0.2 * generator.normal(size=(count, draws, groups))
    counts = generator.multinomial(groups, np.full(groups, 1 / groups), size=400) / groups
    return scores.mean(2), scores.mean(1) @ counts.T


@pytest.mark.parametrize(("truth", "draws", "groups"), [(0.0, 5, 60), (0.1, 5, 60), (0.0, 3, 200)])
def test_the_interval_covers_the_truth_as_often_as_stated(truth: float, draws: int, groups: int) -> None:
    """Simulated where the truth is known; with truth 0 a miss is a false claim."""
    covered = 0
    for differences, again in zip(*worlds(3000, truth, draws, groups, seed=draws), strict=True):
        interval = from_test(differences[:, None], again, groups)
        covered += interval.low <= truth <= interval.high
    assert 0.935 <= covered / 3000 <= 0.975


def test_cross_validation_makes_no_more_false_claims_than_stated() -> None:
    """Fold differences of 5 × 5 repeated folds share their rows: rows differ by luck, folds are their means."""
    generator = np.random.default_rng(0)
    false = 0
    for _ in range(1000):
        luck = generator.normal(size=60)
        folds = []
        for _ in range(5):
            order = generator.permutation(60)
            folds += [luck[part].mean() for part in np.array_split(order, 5)]
        false += from_folds(np.array(folds), 5).p < 0.05
    assert false / 1000 <= 0.06
