import numpy as np

from labelfree.transfer.protocols import find_protocol
from labelfree.transfer.selection import Choice, Grid, Search, inner_folds
from labelfree.transfer.tasks import Metric
from tests.transfer.classes import TASK, classes

FOLDS = [(np.array([0, 1, 4, 5]), np.array([2, 3])), (np.array([2, 3, 4, 5]), np.array([0, 1])), (np.array([0, 1, 2, 3]), np.array([4, 5]))]
TARGETS = np.array([0, 1, 0, 1, 0, 1])


def search(protocol: str, metric: Metric = TASK.metrics["accuracy"]) -> Search:
    return Search(TASK, find_protocol(protocol), metric, Grid())


def test_ties_go_to_the_smaller_size_and_the_stronger_regularisation() -> None:
    easy = np.where(TARGETS[:, None] == 1, 1.0, -1.0) * np.ones((6, 3)) + 0.01 * np.arange(18).reshape(6, 3)
    for protocol, strongest in (("linear", 0.1), ("knn", 20.0)):
        choices = search(protocol).choose({64: easy, 32: easy}, (3,), classes(TARGETS, 2), FOLDS)
        assert search(protocol).best(choices, [64, 32]) == Choice(32, "centre_l2", strongest, 1.0)


def test_the_better_size_wins_over_the_smaller() -> None:
    generator = np.random.default_rng(0)
    features = {32: generator.normal(size=(6, 3)), 64: np.eye(2)[TARGETS] + 0.0}
    choices = search("linear").choose(features, (3,), classes(TARGETS, 2), FOLDS)
    assert search("linear").best(choices, [32, 64]).size == 64


def test_of_a_metric_that_should_be_low_the_lowest_wins() -> None:
    """The same comparison by the share of wrong answers chooses what accuracy chooses, settings and size."""
    wrong = Metric("wrong", lambda answers, weights: 1 - TASK.metrics["accuracy"](answers, weights), higher_is_better=False)
    generator = np.random.default_rng(0)
    features = {32: generator.normal(size=(6, 3)), 64: np.eye(2)[TARGETS] + 0.3 * generator.normal(size=(6, 2))}
    by_right, by_wrong = (
        judged.best(judged.choose(features, (3,), classes(TARGETS, 2), FOLDS), [32, 64]) for judged in (search("knn"), search("knn", wrong))
    )
    assert (by_wrong.size, by_wrong.preparation, by_wrong.setting) == (by_right.size, by_right.preparation, by_right.setting)
    assert by_wrong.inner == 1 - by_right.inner  # type: ignore[operator]


def test_the_answers_that_a_choice_was_judged_by_come_along() -> None:
    features = {64: np.eye(2)[TARGETS] + 0.3 * np.random.default_rng(0).normal(size=(6, 2))}
    choice = search("knn").choose(features, (2,), classes(TARGETS, 2), FOLDS)[64]
    assert choice.held is not None and choice.held.shape == (6, 2)
    assert np.mean(choice.held.argmax(1) == TARGETS) == choice.inner


def test_too_few_labels_take_the_recipe_s_defaults() -> None:
    assert inner_folds(np.array([0, 1]), np.array(["a", "b"]), seed=0) is None
    choices = search("linear").choose({64: np.eye(2), 32: np.eye(2)}, (2,), classes(np.array([0, 1]), 2), None)
    assert search("linear").best(choices, [64, 32]) == Choice(64, "centre_l2", 10.0, None)  # the first size that the recipe names


def test_inner_folds_never_split_a_group() -> None:
    targets = np.repeat([0, 1], 12)
    groups = np.array([f"g{i // 3}" for i in range(24)])
    folds = inner_folds(targets, groups, seed=0)
    assert folds is not None
    assert len(folds) == 4
    for learn, judge in folds:
        assert not set(groups[learn]) & set(groups[judge])
